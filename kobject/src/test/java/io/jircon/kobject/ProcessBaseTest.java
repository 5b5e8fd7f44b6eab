package io.jircon.kobject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class ProcessBaseTest {
    private final Kernel kernel = Kernel.create();
    private final List<String> journal = new ArrayList<>();

    private final class Recorded extends ProcessBase {
        Recorded() {
            super(kernel, "recorded");
        }

        @Override
        protected void destroyAddressSpace() {
            journal.add(
                    "space destroyed, handles=%d, terminated=%b, state=%s"
                            .formatted(
                                    handles().count(),
                                    (signals() & Signals.TERMINATED) != 0,
                                    state()));
        }
    }

    @Test
    @Tag("K-140")
    @Tag("K-141")
    @Tag("zcore/task:process_exit")
    void handlesGoFirstThenTheSpaceThenTheSignal() {
        var process = new Recorded();
        process.handles().add(new Event(kernel), Rights.BASIC);
        process.start();
        process.exit(42);
        assertEquals(List.of("space destroyed, handles=0, terminated=false, state=DYING"), journal);
        assertEquals(ProcessBase.State.DEAD, process.state());
        assertEquals(Signals.TERMINATED, process.signals());
        assertEquals(42, process.returnCode());
    }

    @Test
    @Tag("K-138")
    @Tag("K-146")
    void theFirstReturnCodeWins() {
        assertEquals(-1024, ProcessBase.KILLED);
        var process = new Recorded();
        process.kill();
        process.kill();
        assertEquals(ProcessBase.KILLED, process.returnCode());
        assertEquals(1, journal.size());
        Expect.status(ZxStatus.BAD_STATE, () -> process.exit(1));
        Expect.status(ZxStatus.BAD_STATE, process::start);
        assertEquals(ProcessBase.KILLED, process.returnCode());
    }

    @Test
    @Tag("K-136")
    void aProcessThatWasNeverStartedDiesWithItsLastHandle() {
        var table = new HandleTable(kernel);
        int handle = table.add(new Recorded(), ObjectType.PROCESS.defaultRights());
        table.close(handle);
        assertEquals(1, journal.size());
        assertEquals(Map.of(), kernel.liveObjects());
    }

    @Test
    @Tag("K-137")
    void aRunningProcessOutlivesItsHandles() {
        var table = new HandleTable(kernel);
        var process = new Recorded();
        int handle = table.add(process, ObjectType.PROCESS.defaultRights());
        process.start();
        table.close(handle);
        assertEquals(ProcessBase.State.RUNNING, process.state());
    }

    @Test
    @Tag("K-133")
    void aSecondStartIsRefused() {
        var process = new Recorded();
        process.start();
        Expect.status(ZxStatus.BAD_STATE, process::start);
    }

    @Test
    @Tag("K-13")
    void aChainOfTenThousandProcessesDiesWithoutStack() {
        var table = new HandleTable(kernel);
        var first = new Recorded();
        int handle = table.add(first, ObjectType.PROCESS.defaultRights());
        ProcessBase last = first;
        for (int i = 0; i < 10_000; i++) {
            var next = new Recorded();
            last.handles().add(next, ObjectType.PROCESS.defaultRights());
            last = next;
        }
        table.close(handle);
        assertEquals(ProcessBase.State.DEAD, last.state());
        assertEquals(Map.of(), kernel.liveObjects());
        assertEquals(0, kernel.handleCount());
    }

    @Test
    @Tag("K-138")
    void aDeathThatFailsHalfWayIsStillADeath() {
        var process =
                new ProcessBase(kernel, "unlucky") {
                    @Override
                    protected void destroyAddressSpace() {
                        throw new IllegalStateException("no");
                    }
                };
        assertThrows(IllegalStateException.class, process::kill);
        assertEquals(ProcessBase.State.DEAD, process.state());
        assertEquals(Signals.TERMINATED, process.signals());
        assertEquals(Map.of(), kernel.liveObjects());
    }

    @Test
    @Tag("K-15")
    void onlyATaskIsGivenAHandleAfterItsEnd() {
        var table = new HandleTable(kernel);
        var process = new Recorded();
        process.kill();
        table.close(table.add(process, ObjectType.PROCESS.defaultRights()));
        var event = new Event(kernel);
        table.close(table.add(event, Rights.BASIC));
        Expect.status(ZxStatus.BAD_STATE, () -> table.add(event, Rights.BASIC));
        assertEquals(0, kernel.handleCount());
    }
}
