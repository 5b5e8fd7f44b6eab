package io.jircon.vm;

import static io.jircon.vm.VmoMath.SHIFT;
import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;

/// Makes memory objects with pages that are children of none (section 3 of the contract).
final class CreateOp {
    private CreateOp() {}

    /// Makes an object of zeros; what [VmObject#create] does.
    static PagedVmo zeros(
            Machine machine, long sizeBytes, CommitPolicy.Alloc policy, VmoOption... given) {
        Set<VmoOption> options = setOf(given);
        requireConsistent(options, sizeBytes);
        if (options.contains(VmoOption.TRAP_DIRTY)) {
            throw VmErrors.invalidArgs("O-17", "options=" + options + ": TRAP_DIRTY needs a pager");
        }
        long rounded = roundedSize(options, sizeBytes);
        var store = new PageStore(machine, new VmoFamily(), policy, rounded, 0);
        var vmo =
                new PagedVmo(
                        machine,
                        null,
                        store,
                        PagedVmo.Role.ORIGINAL,
                        0,
                        0,
                        new StreamSize(sizeBytes),
                        options,
                        /* immutable= */ false);
        if (policy.populate()) {
            try {
                vmo.opCommit(0, rounded);
            } catch (ZxException e) {
                vmo.close();
                throw e;
            }
        }
        return vmo;
    }

    /// Makes an object whose pages come from a pager; what [Pager#createVmo] does, but for telling
    /// the pager.
    static PagedVmo pagerBacked(
            Machine machine,
            Pager pager,
            PageRequestQueue queue,
            long key,
            long sizeBytes,
            VmoOption... given) {
        Set<VmoOption> options = setOf(given);
        requireConsistent(options, sizeBytes);
        if (options.contains(VmoOption.DISCARDABLE)) {
            throw VmErrors.invalidArgs(
                    "O-30", "options=" + options + ": what a pager has is not discarded");
        }
        var store =
                new PagerStore(
                        machine,
                        pager,
                        queue,
                        key,
                        roundedSize(options, sizeBytes),
                        sizeBytes,
                        options.contains(VmoOption.TRAP_DIRTY));
        return new PagedVmo(
                machine,
                null,
                store,
                PagedVmo.Role.ORIGINAL,
                0,
                0,
                new StreamSize(sizeBytes),
                options,
                /* immutable= */ false);
    }

    private static Set<VmoOption> setOf(VmoOption... given) {
        Set<VmoOption> options = EnumSet.noneOf(VmoOption.class);
        options.addAll(Arrays.asList(given));
        return options;
    }

    private static void requireConsistent(Set<VmoOption> options, long sizeBytes) {
        boolean unbounded = options.contains(VmoOption.UNBOUNDED);
        if (unbounded && options.contains(VmoOption.RESIZABLE)) {
            throw VmErrors.invalidArgs(
                    "O-17", "options=" + options + ": UNBOUNDED is not resizable");
        }
        if (!unbounded && VmoMath.upWraps(sizeBytes)) {
            throw VmErrors.outOfRange(
                    "O-17", "sizeBytes=" + hex(sizeBytes) + " wraps when rounded up");
        }
    }

    private static long roundedSize(Set<VmoOption> options, long sizeBytes) {
        boolean unbounded = options.contains(VmoOption.UNBOUNDED);
        if (unbounded && Long.compareUnsigned(sizeBytes, VmObject.MAX_SIZE_BYTES) > 0) {
            throw VmErrors.invalidArgs(
                    "O-21",
                    "sizeBytes=" + hex(sizeBytes) + " passes " + hex(VmObject.MAX_SIZE_BYTES));
        }
        if (!unbounded) {
            requireAtMostMax("O-17", "sizeBytes", sizeBytes);
        }
        return unbounded ? VmObject.MAX_SIZE_BYTES : VmoMath.up(sizeBytes);
    }

    /// Makes an object of consecutive frames; what [VmObject#createContiguous] does.
    static PagedVmo contiguous(Machine machine, long sizeBytes, int alignShift) {
        if (sizeBytes == 0 || !VmoMath.isAligned(sizeBytes)) {
            throw VmErrors.invalidArgs(
                    "O-26", "sizeBytes=" + hex(sizeBytes) + " is no positive multiple of a page");
        }
        if (alignShift != 0 && (alignShift < SHIFT || alignShift >= Long.SIZE)) {
            throw VmErrors.invalidArgs(
                    "O-26", "alignShift=" + alignShift + " is neither 0 nor in 12..63");
        }
        requireAtMostMax("O-26", "sizeBytes", sizeBytes);
        long base;
        try {
            base =
                    machine.frames()
                            .allocateContiguous(
                                    sizeBytes >>> SHIFT, Math.min(Math.max(alignShift, SHIFT), 62));
        } catch (PagingException e) {
            throw VmErrors.of(e, "O-26", "no run of " + hex(sizeBytes) + " bytes");
        }
        machine.memory().zero(base, sizeBytes);
        var store =
                new PageStore(
                        machine, new VmoFamily(), new CommitPolicy.Contiguous(base), sizeBytes, 0);
        return new PagedVmo(
                machine,
                null,
                store,
                PagedVmo.Role.ORIGINAL,
                0,
                0,
                new StreamSize(0),
                EnumSet.noneOf(VmoOption.class),
                /* immutable= */ false);
    }

    /// Refuses a size that is larger than an object can be (clause O-10), which is a multiple of
    /// the page size: then it is larger when rounded up, too.
    static void requireAtMostMax(String clause, String name, long sizeBytes) {
        if (Long.compareUnsigned(sizeBytes, VmObject.MAX_SIZE_BYTES) > 0) {
            throw VmErrors.outOfRange(
                    clause,
                    name + "=" + hex(sizeBytes) + " passes " + hex(VmObject.MAX_SIZE_BYTES));
        }
    }
}
