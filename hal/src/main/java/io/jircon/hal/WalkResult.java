package io.jircon.hal;

/// Where a walk of the machine's own page walker puts its outcome. Reused from walk to walk, so
/// that a walk makes no garbage; one instance serves one thread.
public final class WalkResult {
    /// Physical address of the byte asked for; meaningful when the walk succeeded.
    public long paddr;

    /// log2 of the size of the leaf that was found; what a TLB may cache is this much.
    public int leafShift;

    /// [MmuFlags] bits of the translation: the access bits it allows, and its memory type. A TLB
    /// entry made from this result allows just these; an access that it does not allow walks again
    /// before it faults. So where the format keeps a dirty flag that is still clear after this
    /// walk, WRITE is left out, and the first store walks again and sets the flag.
    public int flagBits;

    /// Why the walk failed; meaningful when it did.
    public FaultCause cause = FaultCause.NOT_PRESENT;

    /// Depth at which the walk ended, the root being 0.
    public int depth;

    /// How many page-table entries were read.
    public int entriesRead;

    /// Makes an empty result.
    public WalkResult() {}
}
