package io.jircon.hal;

/// The addresses a device answers to: one of three kinds (clauses ).
///
/// Memory-mapped registers are a half-open range; ports and system registers are given by first and
/// last number, and contain nothing when those are reversed.
public sealed interface DeviceRange {
    /// Memory-mapped registers.
    ///
    /// @param range their guest-physical addresses
    record Mmio(AddrRange<GuestPhysAddr> range) implements DeviceRange {
        /// Whether every byte of an access lies in the range.
        ///
        /// @param address address of the first byte
        /// @param width how wide the access is
        /// @return false when the access straddles an end
        public boolean contains(GuestPhysAddr address, AccessWidth width) {
            return range.contains(address, width);
        }

        @Override
        public String toString() {
            return range.toString();
        }
    }

    /// I/O ports; each is one byte wide, so that a wider access takes several.
    ///
    /// @param first the lowest port
    /// @param last the highest port, inclusive
    record Ports(Port first, Port last) implements DeviceRange {
        /// Whether every port of an access lies in the range.
        ///
        /// @param port the lowest port of the access
        /// @param width how wide the access is
        /// @return false when the access straddles an end
        public boolean contains(Port port, AccessWidth width) {
            return port.compareTo(first) >= 0
                    && port.number() + width.sizeBytes() - 1 <= last.number();
        }

        /// Such as `0x3f8..=0x3ff`.
        @Override
        public String toString() {
            return "0x"
                    + Integer.toHexString(first.number())
                    + "..=0x"
                    + Integer.toHexString(last.number());
        }
    }

    /// System registers; an access takes one of them, whatever its width.
    ///
    /// @param first the lowest number
    /// @param last the highest number, inclusive
    record SysRegs(SysRegAddr first, SysRegAddr last) implements DeviceRange {
        /// Whether a register lies in the range.
        ///
        /// @param register the register
        /// @return true from first to last
        public boolean contains(SysRegAddr register) {
            return register.compareTo(first) >= 0 && register.compareTo(last) <= 0;
        }

        /// Such as `0x10..=0x1f`.
        @Override
        public String toString() {
            return "0x"
                    + Long.toHexString(first.value())
                    + "..=0x"
                    + Long.toHexString(last.value());
        }
    }
}
