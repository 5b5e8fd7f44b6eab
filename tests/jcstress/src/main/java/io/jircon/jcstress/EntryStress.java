package io.jircon.jcstress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import io.jircon.hal.AccessKind;
import io.jircon.vm.VmarFlags;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LLL_Result;

/// A fault enters nothing that an operation has taken away before (clauses V-278 and V-161).
///
/// What is not listed as acceptable is forbidden.
public class EntryStress {
    private EntryStress() {}

    /// Once unmap has returned there is no entry.
    @JCStressTest
    @State
    @Outcome(id = "NOT_FOUND, 0000, all back", expect = ACCEPTABLE, desc = "faults end with it")
    public static class Unmap {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void unmap() {
            race.act(() -> space.top.unmap(space.address(0), Space.PAGE));
        }

        @Actor
        public void fault(LLL_Result r) {
            r.r1 = race.firstOtherThan("OK", () -> space.fault(0, AccessKind.WRITE));
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r2 = space.entries();
            r.r3 = space.end();
        }
    }

    /// Once protect has returned no entry allows more.
    @JCStressTest
    @State
    @Outcome(
            id = "ACCESS_DENIED, false, all back",
            expect = ACCEPTABLE,
            desc = "writes end with it")
    public static class Protect {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void protect() {
            race.act(() -> space.top.protect(VmarFlags.PERM_READ, space.address(0), Space.PAGE));
        }

        @Actor
        public void fault(LLL_Result r) {
            r.r1 = race.firstOtherThan("OK", this::enterAnew);
        }

        /// Each fault has an entry to make; the last ones leave alone what is there.
        private String enterAnew() {
            if (!race.isOver()) {
                space.vmo.decommit(0, Space.PAGE);
            }
            return space.fault(0, AccessKind.WRITE);
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r2 = space.isWritable(0);
            r.r3 = space.end();
        }
    }

    /// A frame that the memory object gives back is shown nowhere: the entry that is left, if one
    /// is, shows a page of the object.
    @JCStressTest
    @State
    @Outcome(id = "OK, 0000, all back", expect = ACCEPTABLE, desc = "decommit was last")
    @Outcome(id = "OK, 1000, all back", expect = ACCEPTABLE, desc = "a fault was last")
    public static class Decommit {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void decommit() {
            race.act(() -> space.vmo.decommit(0, Space.PAGE));
        }

        /// A fault after the end would mend what those before it left.
        @Actor
        public void fault(LLL_Result r) {
            do {
                r.r1 = space.fault(0, AccessKind.WRITE);
            } while (!race.isOver());
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r2 = space.entries();
            r.r3 = space.end();
        }
    }

    /// Two faults on one page take one frame for it.
    @JCStressTest
    @State
    @Outcome(id = "OK, OK, all back", expect = ACCEPTABLE, desc = "one is first, both go on")
    public static class Fault {
        private final Space space = new Space();

        @Actor
        public void write(LLL_Result r) {
            r.r1 = space.fault(0, AccessKind.WRITE);
        }

        @Actor
        public void read(LLL_Result r) {
            r.r2 = space.fault(0, AccessKind.READ);
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = space.end();
        }
    }
}
