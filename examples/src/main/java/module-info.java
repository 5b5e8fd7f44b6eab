/** The command line and programs a reader would copy from. */
@org.jspecify.annotations.NullMarked
module io.jircon.examples {
    requires static com.google.errorprone.annotations;
    requires static transitive org.jspecify;
    requires info.picocli;
    requires io.jircon.hal.unix; // so that its HALs are there to be chosen
    requires transitive io.jircon.hal;
    requires transitive io.jircon.kobject;
    requires transitive io.jircon.vm;

    exports io.jircon.examples.cli;
    exports io.jircon.examples.elf;
    exports io.jircon.examples.guest;
    exports io.jircon.examples.image;
    exports io.jircon.examples.kernel;
    exports io.jircon.examples.paging;
    exports io.jircon.examples.program;

    opens io.jircon.examples.cli to
            info.picocli;
}
