/// Reads the part of an ELF64 file that a loader needs: which bytes go to which addresses, and with
/// what rights.
///
/// [io.jircon.examples.elf.ElfFile] checks a whole file and then describes it; what it returns can
/// be used without further checks. Source: System V Application Binary Interface, chapters 4
/// (object files) and 5 (program loading).
package io.jircon.examples.elf;
