/// Kernel objects: koids, handles, rights, signals, statuses.
package io.jircon.kobject;
