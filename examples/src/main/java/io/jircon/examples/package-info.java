/// Programs a reader would copy from. [HelloPage][io.jircon.examples.HelloPage] is the README's
/// sample; `kernel` is a microkernel that fits on a page; `program` loads ELF programs; `elf` reads
/// them; `image` writes a machine's memory for another MMU to judge; `cli` is the command line.
package io.jircon.examples;
