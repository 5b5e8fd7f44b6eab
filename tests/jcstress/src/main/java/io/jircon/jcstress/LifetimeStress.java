package io.jircon.jcstress;

import static io.jircon.testkit.CallResult.status;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import io.jircon.hal.PageSize;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Rights;
import io.jircon.testkit.HeapMachine;
import io.jircon.vm.Machine;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmoCalls;
import java.lang.foreign.MemorySegment;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LLL_Result;

/// Who uses an object while somebody ends it is served or refused, and no frame is lost (clauses
/// O-5 and K-60).
///
/// What is not listed as acceptable is forbidden.
public class LifetimeStress {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int FRAMES = 16;
    private static final String REFUSED = "served until the end, then refused";

    private LifetimeStress() {}

    /// A memory object is closed while pages are taken for it and given back.
    @JCStressTest
    @State
    @Outcome(id = "OK, BAD_HANDLE, all back", expect = ACCEPTABLE, desc = REFUSED)
    public static class CloseAndCommit {
        private final HeapMachine hal = new HeapMachine(FRAMES);
        private final Machine machine = Machine.builder(hal).boot();
        private final VmObject vmo = VmObject.create(machine, PAGE);
        private final Race race = new Race();

        @Actor
        public void close(LLL_Result r) {
            race.act(() -> r.r1 = status(vmo::close));
        }

        @Actor
        public void commit(LLL_Result r) {
            r.r2 =
                    race.firstOtherThan(
                            "OK",
                            () ->
                                    status(() -> {
                                        vmo.decommit(0, PAGE);
                                        vmo.commit(0, PAGE);
                                    }));
        }

        @Arbiter
        public void end(LLL_Result r) {
            hal.requireAllBack(machine);
            r.r3 = "all back";
        }
    }

    /// Two threads share the pages of one object with snapshots, and give their shares back.
    @JCStressTest
    @State
    @Outcome(id = "OK, OK, all back", expect = ACCEPTABLE, desc = "no share is lost")
    public static class Snapshots {
        private final HeapMachine hal = new HeapMachine(FRAMES);
        private final Machine machine = Machine.builder(hal).boot();
        private final VmObject vmo = VmObject.create(machine, PAGE);
        private final Race race = new Race();

        public Snapshots() {
            vmo.commit(0, PAGE);
        }

        private void share() {
            vmo.createSnapshot(0, PAGE).close();
        }

        @Actor
        public void one(LLL_Result r) {
            race.act(() -> r.r1 = status(this::share));
        }

        @Actor
        public void other(LLL_Result r) {
            r.r2 = race.firstOtherThan("OK", () -> status(this::share));
        }

        @Arbiter
        public void end(LLL_Result r) {
            vmo.close();
            hal.requireAllBack(machine);
            r.r3 = "all back";
        }
    }

    /// The last handle is closed while another thread writes through it.
    @JCStressTest
    @State
    @Outcome(id = "OK, BAD_HANDLE, all back", expect = ACCEPTABLE, desc = REFUSED)
    public static class CloseHandleAndUse {
        private final HeapMachine hal = new HeapMachine(FRAMES);
        private final Machine machine = Machine.builder(hal).boot();
        private final HandleTable handles = new HandleTable(machine.kernel());
        private final VmoCalls calls = new VmoCalls(machine, handles);
        private final int handle = calls.create(PAGE, 0);
        private final Race race = new Race();

        @Actor
        public void close(LLL_Result r) {
            race.act(() -> r.r1 = status(() -> handles.close(handle)));
        }

        @Actor
        public void use(LLL_Result r) {
            r.r2 =
                    race.firstOtherThan(
                            "OK",
                            () ->
                                    status(() ->
                                            calls.write(
                                                    handle,
                                                    0,
                                                    MemorySegment.ofArray(new byte[] {1}))));
        }

        @Arbiter
        public void end(LLL_Result r) {
            hal.requireAllBack(machine);
            r.r3 = "all back";
        }
    }

    /// Two threads close the same handles: one of them, and only one, has closed each.
    @JCStressTest
    @State
    @Outcome(id = "64, 0, all back", expect = ACCEPTABLE, desc = "each was closed once")
    public static class CloseHandleTwice {
        private static final int HANDLES = 64;

        private final HeapMachine hal = new HeapMachine(FRAMES);
        private final Machine machine = Machine.builder(hal).boot();
        private final HandleTable handles = new HandleTable(machine.kernel());
        private final int[] values = new int[HANDLES];
        private int closedByOne;
        private int closedByOther;

        public CloseHandleTwice() {
            values[0] = new VmoCalls(machine, handles).create(PAGE, 0);
            for (int i = 1; i < HANDLES; i++) {
                values[i] = handles.duplicate(values[0], Rights.SAME_RIGHTS);
            }
        }

        private int closeAll() {
            int closed = 0;
            for (int value : values) {
                closed += status(() -> handles.close(value)).equals("OK") ? 1 : 0;
            }
            return closed;
        }

        @Actor
        public void one() {
            closedByOne = closeAll();
        }

        @Actor
        public void other() {
            closedByOther = closeAll();
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r1 = closedByOne + closedByOther;
            r.r2 = handles.count();
            hal.requireAllBack(machine);
            r.r3 = "all back";
        }
    }
}
