/// Address-space regions, mappings and memory objects.
///
/// In reading order: [Machine][io.jircon.vm.Machine] is a kernel on a machine;
/// [VmObject][io.jircon.vm.VmObject] is memory in pages;
/// [VmAddressRegion][io.jircon.vm.VmAddressRegion] is a range of addresses in which objects are
/// mapped and further regions made; [VmMapping][io.jircon.vm.VmMapping] is a part of an object that
/// shows there. [VmarCalls][io.jircon.vm.VmarCalls] and [VmoCalls][io.jircon.vm.VmoCalls] are the
/// same behind handles and their rights. [VmProcess][io.jircon.vm.VmProcess] is a process with an
/// address space; [UserMemory][io.jircon.vm.UserMemory] accesses memory as a program in one does;
/// [AddrSpace][io.jircon.vm.AddrSpace] is the guest-physical address space of a virtual machine,
/// with [devices][io.jircon.vm.MmioHandler] and its own accessor,
/// [GuestMemory][io.jircon.vm.GuestMemory]. [Pager][io.jircon.vm.Pager] brings the pages of memory
/// objects when they are needed first, and [PagerCalls][io.jircon.vm.PagerCalls] is the same behind
/// handles. What a kernel reclaims first it learns from
/// [harvestAccessed][io.jircon.vm.VmAddressRegion#harvestAccessed].
///
/// ```java
/// VmAddressRegion root = VmAddressRegion.newRoot(machine);
/// VmObject vmo = VmObject.create(machine, 0x10000);
/// long at = root.map(VmarFlags.READ_WRITE, 0, vmo, 0, 0x10000);
/// root.handlePageFault(at, AccessKind.WRITE);   // what a processor's fault leads to
/// root.destroyAddressSpace();
/// vmo.close();
/// ```
///
/// # Locks
///
/// In the order in which they are taken:
///
/// 1. the address space's lock (`VmAspace.lock`): the tree of regions. Held for writing by
///    allocate, map, unmap, protect and destroy, which are thereby atomic for each other; held for
///    reading by listings and by the lookup of a fault, which mostly does without and checks
///    afterwards.
/// 2. the memory object's lock (`VmObject.lock()`), one for each family of objects that share
///    pages: pages, and the list of mappings that show them. An object that gives its pages to one
///    with a pager is locked before that one.
/// 3. the page table's lock, inside the HAL.
/// 4. the locks of the processors' TLBs, inside the HAL: a table that drops or weakens an entry has
///    every processor forget it before it gives its own lock back.
/// 5. the frame allocator's lock, inside the HAL.
///
/// [AddrSpace][io.jircon.vm.AddrSpace] has a lock of its own around whole operations, which comes
/// before the first, and the one that guards an object's signals and handle count comes after the
/// second and before no other. A thread that holds one of these takes none above it.
///
/// What a mapping is (range, offset, permissions, alive or not) is written with locks 1 and 2 and
/// may be read with either. A page-table entry is made only with lock 2 held and after checking
/// that the mapping is alive: so a fault needs lock 1 only to find its mapping, an object that
/// takes a page back needs lock 2 only, and after unmap returns no entry can appear. Faults in
/// different families of objects meet nowhere but in the page table.
///
/// Fields say by `@GuardedBy` which lock is theirs, and Error Prone holds the code to it. It knows
/// neither lock 1, a `StampedLock`, nor that all the objects of a family have one lock: there a
/// comment says it, an assertion looks on, and `LockUseTest` tries the operations of regions and
/// objects while another thread has the lock.
///
/// Nothing calls back into user code with a lock held, and nobody waits for a
/// [Pager][io.jircon.vm.Pager] with one: an operation that needs a page asks for it, gives its
/// locks up, and begins again when there is an answer.
///
/// # Failure
///
/// An operation that is refused has changed nothing. Running out of frames is a refusal too: what
/// map, a fault or op_range took for the part that worked is given back. unmap, protect and destroy
/// need no frames; where a huge leaf would have to be split and there is no frame for the table,
/// its entries are dropped instead and fault back in.
package io.jircon.vm;
