package io.jircon.hal;

/// A guest-physical address: what a guest takes for physical.
///
/// @param value the address as a number, unsigned
public record GuestPhysAddr(long value) implements Address<GuestPhysAddr> {
    @Override
    public GuestPhysAddr at(long newValue) {
        return new GuestPhysAddr(newValue);
    }

    @Override
    public String prefix() {
        return "GPA";
    }

    @Override
    public String toString() {
        return text();
    }
}
