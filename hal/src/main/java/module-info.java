/** What a machine offers: physical memory, frames, page tables, and an MMU that walks them. */
@org.jspecify.annotations.NullMarked
module io.jircon.hal {
    requires static com.google.errorprone.annotations;
    requires static transitive org.jspecify;

    exports io.jircon.hal;
    exports io.jircon.hal.npt;

    uses io.jircon.hal.HalProvider;

    provides io.jircon.hal.HalProvider with
            io.jircon.hal.npt.Aarch64HalProvider,
            io.jircon.hal.npt.Riscv64HalProvider,
            io.jircon.hal.npt.X8664HalProvider;
}
