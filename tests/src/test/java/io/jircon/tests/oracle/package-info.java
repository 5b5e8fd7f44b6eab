/// Independent MMUs: emulators that nobody here wrote walk the page tables that this project
/// builds.
///
/// [EmulatedMmu] is one such machine. It is handed physical memory, root registers and a list of
/// [Probe]s, runs a small guest program (sources in `src/test/guests`) in the emulator, and gives
/// back an [Answer] for each probe. [StrictWalker] is a second judge, written from the manuals'
/// rules alone, for what an emulator lets pass.
@org.jspecify.annotations.NullMarked
package io.jircon.tests.oracle;
