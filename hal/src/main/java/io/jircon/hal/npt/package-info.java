/// Nested (second-stage) page tables, and the stage-1 tables that go with them.
///
/// Start with [io.jircon.hal.npt.PagingFormat]: an architecture's format as data. It is made from
/// [io.jircon.hal.npt.EptOptions], [io.jircon.hal.npt.Aarch64Stage2Options],
/// [io.jircon.hal.npt.RiscvOptions] or [io.jircon.hal.npt.Stage1Formats].
/// [io.jircon.hal.npt.NestedPageTable] is written once over it, as is the walker that the software
/// MMU uses. The three HALs `x86_64`, `aarch64` and `riscv64` are made of these.
///
/// Locking: each table has one lock, a leaf but for the TLBs' and the frame allocator's. The walker
/// takes none.
package io.jircon.hal.npt;
