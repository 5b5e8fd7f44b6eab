package io.jircon.vm;

/// [AddrSpaceCases] on `riscv64`.
class AddrSpaceRiscv64Test extends AddrSpaceCases {
    AddrSpaceRiscv64Test() {
        super("riscv64");
    }
}
