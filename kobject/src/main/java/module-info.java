/** Kernel objects: koids, handles, rights, signals, statuses. Knows nothing of memory. */
@org.jspecify.annotations.NullMarked
module io.jircon.kobject {
    requires static com.google.errorprone.annotations;
    requires static transitive org.jspecify;
    requires com.google.common;

    exports io.jircon.kobject;
}
