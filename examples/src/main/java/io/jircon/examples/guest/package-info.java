/// A virtual machine that fits on a page: memory that comes with its first use, a serial port that
/// is a Java object, and what a hypervisor does when the guest's processor cannot go on.
/// [io.jircon.examples.guest.TinyGuest] is the machine, [io.jircon.examples.guest.Uart] the port.
package io.jircon.examples.guest;
