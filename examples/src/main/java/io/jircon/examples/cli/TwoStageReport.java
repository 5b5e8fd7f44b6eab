package io.jircon.examples.cli;

import io.jircon.hal.HalProvider;
import io.jircon.hal.npt.NestedPageFaultInfo;
import io.jircon.hal.npt.PageWalkCache;
import io.jircon.hal.npt.TwoStageWalk;
import io.jircon.hal.npt.TwoStageWalk.Fault;
import io.jircon.hal.npt.TwoStageWalk.Read;
import io.jircon.hal.npt.TwoStageWalk.Stage;
import java.io.PrintWriter;
import java.util.List;

/// What `jircon walk --two-stage` prints: every memory access of the walk, how it ended, and how
/// many accesses a page-walk cache would have saved.
final class TwoStageReport {
    private static final List<Integer> CACHE_SIZES = List.of(4, 16, 64);

    private TwoStageReport() {}

    /// Makes a guest, reads one address of it and tells how.
    ///
    /// @param out takes the report
    /// @param provider a HAL with nested page tables
    /// @param vaddr the guest-virtual address
    /// @param options what the guest is like
    static void print(PrintWriter out, HalProvider provider, long vaddr, TwoStageOptions options) {
        try (TwoStageGuest guest = TwoStageGuest.create(provider, vaddr, options)) {
            TwoStageWalk walk = guest.read(vaddr);
            out.printf(
                    "read of GVA 0x%x: stage 1 %s, stage 2 %s%n",
                    vaddr, guest.guestFormat(), guest.nestedFormat());
            for (int i = 0; i < walk.reads().size(); i++) {
                out.printf("%4d  %s%n", i + 1, line(walk.reads().get(i)));
            }
            printEnd(out, walk, guest);
            printCount(out, walk, guest.guestFormat().levels(), guest.nestedFormat().levels());
            CACHE_SIZES.forEach(size -> printSaved(out, walk, size));
        }
    }

    private static String line(Read read) {
        String where =
                read.stage() == Stage.GUEST
                        ? "stage 1 %s[%d] at GPA 0x%x, HPA 0x%x"
                                .formatted(
                                        read.levelName(),
                                        read.index(),
                                        read.guestAddress().value(),
                                        read.address().value())
                        : "stage 2 of GPA 0x%x: %s[%d] at HPA 0x%x"
                                .formatted(
                                        read.guestAddress().value(),
                                        read.levelName(),
                                        read.index(),
                                        read.address().value());
        return "%s = 0x%016x: %s".formatted(where, read.raw(), read.fields());
    }

    private static void printEnd(PrintWriter out, TwoStageWalk walk, TwoStageGuest guest) {
        switch (walk.fault()) {
            case null -> {
                out.printf("GVA 0x%x", walk.gva().value());
                if (walk.gpa() != null) {
                    out.printf(" -> GPA 0x%x", walk.gpa().value());
                }
                if (walk.hpa() != null) {
                    out.printf(" -> HPA 0x%x", walk.hpa().value());
                }
                out.println();
            }
            case Fault.OfGuest fault ->
                    out.printf(
                            "stage 1 fault, for the guest: %s at %s%n",
                            fault.cause(), guest.guestFormat().levelName(fault.height()));
            case Fault.OfNested fault -> {
                NestedPageFaultInfo info = fault.info();
                out.printf(
                        "stage 2 fault, for the hypervisor: %s at %s, %s, %s%n",
                        info.cause(),
                        guest.nestedFormat().levelName(info.height()),
                        info.gpa(),
                        info.during());
            }
        }
    }

    private static void printCount(PrintWriter out, TwoStageWalk walk, int n, int m) {
        int all = TwoStageWalk.expectedReads(n, m);
        int read = walk.reads().size();
        out.printf(
                "%d entries read, %d of stage 1 and %d of stage 2; %s(%d + 1)(%d + 1) - 1 = %d%n",
                read,
                walk.count(Stage.GUEST),
                walk.count(Stage.NESTED),
                walk.fault() == null ? "" : "without the fault ",
                n,
                m,
                all);
    }

    private static void printSaved(PrintWriter out, TwoStageWalk walk, int size) {
        var cache = new PageWalkCache(size);
        int first = cache.add(walk);
        int again = cache.add(walk);
        out.printf(
                "a page-walk cache of %d pointers saves %d of them, and %d of the same walk again%n",
                size, first, again);
    }
}
