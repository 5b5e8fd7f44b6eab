/// What a machine offers to the memory system above it.
///
/// Start with [io.jircon.hal.Hal]: one machine. It has [io.jircon.hal.PhysicalMemory], a
/// [io.jircon.hal.FrameAllocator] for it, page tables ([io.jircon.hal.PageTableTrait]) and
/// processors ([io.jircon.hal.Mmu]). [io.jircon.hal.Hals] finds the kinds of machine there are.
///
/// To write a machine whose MMU is software, extend [io.jircon.hal.SimulatedMachine] and add a page
/// table; memory, frames, processors, TLBs and the flush bus are there.
///
/// Addresses and sizes are `long`s with unsigned meaning. Façades that could confuse two kinds take
/// [io.jircon.hal.Address] records; device addresses are in [io.jircon.hal.DeviceRange].
///
/// Locking: a page table's lock and the allocator's lock are leaves, in this order: page table,
/// TLB, frame allocator. The machine's walker ([io.jircon.hal.PageTableTrait#hardwareWalk]) takes
/// none.
package io.jircon.hal;
