package io.jircon.hal;

/// A guest-virtual address: what a program in a guest uses.
///
/// @param value the address as a number, unsigned
public record GuestVirtAddr(long value) implements Address<GuestVirtAddr> {
    @Override
    public GuestVirtAddr at(long newValue) {
        return new GuestVirtAddr(newValue);
    }

    @Override
    public String prefix() {
        return "GVA";
    }

    @Override
    public String toString() {
        return text();
    }
}
