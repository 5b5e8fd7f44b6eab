package io.jircon.vm;

/// [AddrSpaceCases] on `aarch64`.
class AddrSpaceAarch64Test extends AddrSpaceCases {
    AddrSpaceAarch64Test() {
        super("aarch64");
    }
}
