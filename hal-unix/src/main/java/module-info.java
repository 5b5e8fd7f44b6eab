/** The host's own memory as a HAL. */
@org.jspecify.annotations.NullMarked
module io.jircon.hal.unix {
    requires static com.google.errorprone.annotations;
    requires static transitive org.jspecify;
    requires transitive io.jircon.hal;

    exports io.jircon.hal.unix;

    provides io.jircon.hal.HalProvider with
            io.jircon.hal.unix.UnixFileProvider,
            io.jircon.hal.unix.UnixMmapProvider;
}
