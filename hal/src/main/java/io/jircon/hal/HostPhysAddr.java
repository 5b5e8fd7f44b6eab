package io.jircon.hal;

/// A host-physical address: a byte of the machine's memory.
///
/// @param value the address as a number, unsigned
public record HostPhysAddr(long value) implements Address<HostPhysAddr> {
    @Override
    public HostPhysAddr at(long newValue) {
        return new HostPhysAddr(newValue);
    }

    @Override
    public String prefix() {
        return "PA";
    }

    @Override
    public String toString() {
        return text();
    }
}
