package io.jircon.testkit.broken;

import com.google.common.util.concurrent.Uninterruptibles;
import io.jircon.hal.AccessKind;
import io.jircon.hal.AtomicAccess;
import io.jircon.hal.PageMapping;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// What a processor of a [BrokenHal] does wrong with atomic acts.
final class BrokenAtomics {
    private static final long PAGE = PageSize.BASE_BYTES;

    /// A late act waits at most so long for a change that it can be late for, and does not wait
    /// where nothing ever changes.
    private static final int PATIENCE = 10_000;

    private final BrokenHal hal;
    private final MemorySegment copy = Arena.ofAuto().allocate(PAGE, PAGE);
    private final PhysicalMemory aside = new PhysicalMemory(copy, 0);
    private final Map<Long, PageMapping> kept = new ConcurrentHashMap<>();
    private final AtomicReference<@Nullable LateAct> late = new AtomicReference<>();
    private final AtomicInteger changes = new AtomicInteger();

    BrokenAtomics(BrokenHal hal) {
        this.hal = hal;
    }

    /// Carries a late act out when its page went with the last change and another came with this.
    void changed() {
        int now = changes.incrementAndGet();
        LateAct act = late.get();
        if (act != null && now >= act.when && late.compareAndSet(act, null)) {
            act.carryOut();
        }
    }

    void forget() {
        kept.clear();
    }

    /// Carries an act out in the wrong way.
    ///
    /// @return false when nothing is planted for it: then it is to be done right
    boolean perform(@Nullable BrokenTable table, long vaddr, AtomicAccess access) {
        PageMapping page = table == null ? null : pageAt(table, vaddr);
        boolean readable = page != null && page.flags().canRead();
        if (!readable || hal.fault() == PlantedFault.NONE) {
            return false;
        }
        boolean writable = access.kind() == AccessKind.READ || page.flags().canWrite();
        boolean aligned = access.isAligned(vaddr);
        long paddr = page.paddr() + vaddr % PAGE;
        boolean applies =
                switch (hal.fault()) {
                    case ATOMIC_IGNORES_WRITE -> aligned;
                    case ATOMIC_IGNORES_ALIGNMENT -> writable && !aligned;
                    case ATOMIC_UPDATE_IS_TWO_STEPS,
                            ATOMIC_TAKES_ITS_NEIGHBOUR,
                            ATOMIC_ACT_HAPPENS_TWICE,
                            ATOMIC_KEEPS_TRANSLATION ->
                            writable && aligned;
                    // Late loads would slow the rule down and do no harm.
                    case ATOMIC_ACTS_LATE ->
                            writable && aligned && access.kind() == AccessKind.WRITE;
                    default -> false;
                };
        if (!applies) {
            return false;
        }
        switch (hal.fault()) {
            case ATOMIC_UPDATE_IS_TWO_STEPS, ATOMIC_IGNORES_ALIGNMENT -> inSteps(paddr, access);
            case ATOMIC_ACT_HAPPENS_TWICE -> {
                hal.memory().atomic(paddr, access);
                hal.memory().atomic(paddr, access);
            }
            case ATOMIC_TAKES_ITS_NEIGHBOUR -> {
                hal.memory().atomic(paddr, access);
                if (access.kind() == AccessKind.WRITE) {
                    hal.memory().zero(paddr + access.width().sizeBytes(), 4);
                }
            }
            case ATOMIC_ACTS_LATE -> {
                var act = new LateAct(paddr, access);
                late.set(act);
                for (int i = 0; act.when > 5 && i < PATIENCE && late.get() == act; i++) {
                    Thread.onSpinWait();
                }
                if (late.compareAndSet(act, null)) {
                    act.carryOut();
                }
                act.await();
            }
            default -> hal.memory().atomic(paddr, access);
        }
        return true;
    }

    /// An act that waits until the second change from now: the first may take its page away.
    private final class LateAct {
        final int when = changes.get() + 2;
        private final long paddr;
        private final AtomicAccess access;
        private final CountDownLatch done = new CountDownLatch(1);

        LateAct(long paddr, AtomicAccess access) {
            this.paddr = paddr;
            this.access = access;
        }

        void carryOut() {
            hal.memory().atomic(paddr, access);
            done.countDown();
        }

        void await() {
            Uninterruptibles.awaitUninterruptibly(done);
        }
    }

    private void inSteps(long paddr, AtomicAccess access) {
        long bytes = access.width().sizeBytes();
        hal.memory().read(paddr, copy, 0, bytes);
        aside.atomic(0, access);
        LockSupport.parkNanos(1);
        hal.memory().write(paddr, copy, 0, bytes);
    }

    private @Nullable PageMapping pageAt(BrokenTable table, long vaddr) {
        long page = PageSize.SIZE_4K.alignDown(vaddr);
        if (hal.fault() == PlantedFault.ATOMIC_KEEPS_TRANSLATION && kept.containsKey(page)) {
            return kept.get(page);
        }
        try {
            PageMapping found = table.inner.query(page);
            kept.put(page, found);
            return found;
        } catch (PagingException absent) {
            return null;
        }
    }
}
