/** Address-space regions, mappings and memory objects. */
@org.jspecify.annotations.NullMarked
module io.jircon.vm {
    requires static com.google.errorprone.annotations;
    requires static transitive org.jspecify;
    requires com.google.common;
    requires transitive io.jircon.hal;
    requires transitive io.jircon.kobject;

    exports io.jircon.vm;
}
