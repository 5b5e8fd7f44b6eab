/// Loads an ELF program into an address space and looks at it through a machine's MMU: what a
/// kernel's `exec` does, without running the program.
///
/// [io.jircon.examples.program.ImageLayout] is where the segments go;
/// [io.jircon.examples.program.LoadedProgram] puts them there; [io.jircon.vm.UserMemory] accesses
/// them, fault by fault; [io.jircon.examples.program.ProgramCheck] reads everything back.
package io.jircon.examples.program;
