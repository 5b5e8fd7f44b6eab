package io.jircon.vm;

/// [AddrSpaceCases] on `x86_64`.
class AddrSpaceX8664Test extends AddrSpaceCases {
    AddrSpaceX8664Test() {
        super("x86_64");
    }
}
