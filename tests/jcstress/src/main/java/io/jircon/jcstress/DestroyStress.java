package io.jircon.jcstress;

import static io.jircon.testkit.CallResult.status;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;

import io.jircon.hal.AccessKind;
import io.jircon.vm.VmMapping;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.LLLL_Result;
import org.openjdk.jcstress.infra.results.LLL_Result;

/// Destroying a region is one step for whoever looks on (clauses V-26, V-29 and V-276): from the
/// first answer that shows a part to be gone, every answer shows every part to be gone.
///
/// In each test one actor destroys a region, and the other asks about the part that destroy ends
/// first, until it is gone, and at once about a part that destroy ends later. What is not listed as
/// acceptable is forbidden.
public class DestroyStress {
    private static final String GONE = "all at one moment";

    private DestroyStress() {}

    /// Whether regions are alive.
    @JCStressTest
    @State
    @Outcome(id = "false, false, all back", expect = ACCEPTABLE, desc = GONE)
    public static class IsAlive {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void destroy() {
            race.act(space.top::destroy);
        }

        @Actor
        public void observe(LLL_Result r) {
            r.r1 = race.firstOtherThan(true, space.inner::isAlive);
            r.r2 = space.top.isAlive();
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = space.end();
        }
    }

    /// Whether mappings are alive.
    @JCStressTest
    @State
    @Outcome(id = "false, false, all back", expect = ACCEPTABLE, desc = GONE)
    public static class MappingIsAlive {
        private final Space space = new Space();
        private final Race race = new Race();
        private final VmMapping low = space.mapping(0);
        private final VmMapping high = space.mapping(2);

        @Actor
        public void destroy() {
            race.act(space.top::destroy);
        }

        @Actor
        public void observe(LLL_Result r) {
            r.r1 = race.firstOtherThan(true, low::isAlive);
            r.r2 = high.isAlive();
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = space.end();
        }
    }

    /// Faults. No entry is left.
    @JCStressTest
    @State
    @Outcome(id = "NOT_FOUND, NOT_FOUND, 0000, all back", expect = ACCEPTABLE, desc = GONE)
    public static class Fault {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void destroy() {
            race.act(space.top::destroy);
        }

        @Actor
        public void observe(LLLL_Result r) {
            r.r1 = race.firstOtherThan("OK", () -> space.fault(0, AccessKind.WRITE));
            r.r2 = space.fault(2, AccessKind.WRITE);
        }

        @Arbiter
        public void end(LLLL_Result r) {
            r.r3 = space.entries();
            r.r4 = space.end();
        }
    }

    /// Mapping. Only the root region is left.
    @JCStressTest
    @State
    @Outcome(id = "BAD_STATE, BAD_STATE, 1, all back", expect = ACCEPTABLE, desc = GONE)
    public static class Map {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void destroy() {
            race.act(space.top::destroy);
        }

        @Actor
        public void observe(LLLL_Result r) {
            r.r1 = race.firstOtherThan("OK", () -> status(() -> space.overwrite(space.inner)));
            r.r2 = status(() -> space.overwrite(space.top));
        }

        @Arbiter
        public void end(LLLL_Result r) {
            r.r3 = space.listedEntries();
            r.r4 = space.end();
        }
    }

    /// Unmapping.
    @JCStressTest
    @State
    @Outcome(id = "BAD_STATE, BAD_STATE, 1, all back", expect = ACCEPTABLE, desc = GONE)
    public static class Unmap {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void destroy() {
            race.act(space.top::destroy);
        }

        @Actor
        public void observe(LLLL_Result r) {
            r.r1 =
                    race.firstOtherThan(
                            "OK",
                            () -> status(() -> space.inner.unmap(space.address(2), Space.PAGE)));
            r.r2 = status(() -> space.top.unmap(space.address(0), Space.PAGE));
        }

        @Arbiter
        public void end(LLLL_Result r) {
            r.r3 = space.listedEntries();
            r.r4 = space.end();
        }
    }

    /// Listing: the root, and beside it two regions and two mappings or nothing.
    @JCStressTest
    @State
    @Outcome(id = "1, 1, all back", expect = ACCEPTABLE, desc = GONE)
    public static class List {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void destroy() {
            race.act(space.top::destroy);
        }

        @Actor
        public void observe(LLL_Result r) {
            r.r1 = race.firstOtherThan(5, space::listedEntries);
            r.r2 = space.listedEntries();
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = space.end();
        }
    }

    /// What is listed of a region goes to what its neighbours may use at that same moment: from the
    /// first listing without it on, its place is free.
    @JCStressTest
    @State
    @Outcome(id = "1, OK, all back", expect = ACCEPTABLE, desc = GONE)
    public static class Reuse {
        private final Space space = new Space();
        private final Race race = new Race();

        @Actor
        public void destroy() {
            race.act(space.top::destroy);
        }

        @Actor
        public void observe(LLL_Result r) {
            long offset = space.address(0) - space.root.baseAddress();
            r.r1 = race.firstOtherThan(5, space::listedEntries);
            r.r2 = status(() -> space.root.createChild(offset, 4 * Space.PAGE));
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = space.end();
        }
    }

    /// Making sub-regions: one that was made dies with the rest, and leaves no place taken.
    @JCStressTest
    @State
    @Outcome(id = "OK, 1, all back", expect = ACCEPTABLE, desc = "it was made, and died")
    @Outcome(id = "BAD_STATE, 1, all back", expect = ACCEPTABLE, desc = "destroy came first")
    public static class Allocate {
        private final Space space = new Space();

        @Actor
        public void destroy() {
            space.top.destroy();
        }

        @Actor
        public void allocate(LLL_Result r) {
            r.r1 = status(() -> space.inner.createChild(Space.PAGE, Space.PAGE));
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r2 = space.listedEntries();
            r.r3 = space.end();
        }
    }

    /// Destroying from two sides: who comes second is refused, whichever region is named.
    @JCStressTest
    @State
    @Outcome(id = "OK, OK, all back", expect = ACCEPTABLE, desc = "the inner one first")
    @Outcome(id = "OK, BAD_STATE, all back", expect = ACCEPTABLE, desc = "the outer one first")
    public static class Destroy {
        private final Space space = new Space();

        @Actor
        public void destroyTop(LLL_Result r) {
            r.r1 = status(space.top::destroy);
        }

        @Actor
        public void destroyInner(LLL_Result r) {
            r.r2 = status(space.inner::destroy);
        }

        @Arbiter
        public void end(LLL_Result r) {
            r.r3 = space.end();
        }
    }
}
