/** The command line and programs a reader would copy from. */
@org.jspecify.annotations.NullMarked
module io.jircon.examples {
    requires static com.google.errorprone.annotations;
    requires static transitive org.jspecify;
    requires info.picocli;
    requires transitive io.jircon.hal;

    exports io.jircon.examples.elf;
}
