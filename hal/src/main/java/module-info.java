/** What a machine offers: physical memory, frames, page tables, and an MMU that walks them. */
@org.jspecify.annotations.NullMarked
module io.jircon.hal {
    requires static com.google.errorprone.annotations;
    requires static transitive org.jspecify;

    exports io.jircon.hal;

    uses io.jircon.hal.HalProvider;
}
