/// Loads an ELF program into an address space and looks at it through a machine's MMU: what a
/// kernel's `exec` does, without running the program.
///
/// [io.jircon.examples.program.ImageLayout] is where the segments go.
package io.jircon.examples.program;
