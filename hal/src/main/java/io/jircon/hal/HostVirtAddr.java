package io.jircon.hal;

/// A host-virtual address: what a kernel or a process of the host uses.
///
/// @param value the address as a number, unsigned
public record HostVirtAddr(long value) implements Address<HostVirtAddr> {
    @Override
    public HostVirtAddr at(long newValue) {
        return new HostVirtAddr(newValue);
    }

    @Override
    public String prefix() {
        return "VA";
    }

    @Override
    public String toString() {
        return text();
    }
}
