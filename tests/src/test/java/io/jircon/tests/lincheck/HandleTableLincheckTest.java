package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.outcome;
import static io.jircon.testkit.CallResult.status;

import io.jircon.kobject.Event;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Kernel;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.Signals;
import java.util.ArrayList;
import java.util.List;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Closing, duplicating, replacing and using handles: a value is alive until one thread, and no
/// second one, closes it. Moving a handle to another table takes two steps, as a message does, and
/// is not here.
@Param(name = "value", gen = IntGen.class, conf = "0:5")
public final class HandleTableLincheckTest {
    private static final int RIGHTS = ObjectType.EVENT.defaultRights();

    /// The values that a table of this kernel hands out for its first slots, two for each: a new
    /// kernel with the same seed gives the same ones (clause K-50).
    private static final List<Integer> VALUES = firstValues();

    private final Kernel kernel = Kernel.create();
    private final HandleTable table = new HandleTable(kernel);
    private final Event event = new Event(kernel);

    private static List<Integer> firstValues() {
        var kernel = Kernel.create();
        var table = new HandleTable(kernel);
        var event = new Event(kernel);
        int keeper = new HandleTable(kernel).add(event, RIGHTS);
        List<Integer> values = new ArrayList<>();
        for (int round = 0; round < 2; round++) {
            for (int slot = 0; slot < 3; slot++) {
                values.add(table.add(event, RIGHTS));
            }
            for (int slot = 0; slot < 3; slot++) {
                table.close(values.get(round * 3 + slot));
            }
        }
        assert keeper != HandleTable.INVALID;
        return values;
    }

    public HandleTableLincheckTest() {
        // Holds the object: that the last handle ends it is another test's matter.
        new HandleTable(kernel).add(event, RIGHTS);
        table.add(event, RIGHTS);
        table.add(event, RIGHTS);
    }

    @Operation
    public String add() {
        return outcome(() -> table.add(event, RIGHTS));
    }

    @Operation
    public String duplicate(@Param(name = "value") int value) {
        return outcome(() -> table.duplicate(VALUES.get(value), Rights.SAME_RIGHTS));
    }

    @Operation
    public String replace(@Param(name = "value") int value) {
        return outcome(() -> table.replace(VALUES.get(value), Rights.SAME_RIGHTS));
    }

    /// The source goes, and nothing comes in its place.
    @Operation
    public String replaceWithTooMuch(@Param(name = "value") int value) {
        return outcome(() -> table.replace(VALUES.get(value), Rights.RESIZE));
    }

    @Operation
    public String close(@Param(name = "value") int value) {
        return status(() -> table.close(VALUES.get(value)));
    }

    @Operation
    public String signal(@Param(name = "value") int value) {
        return status(() -> table.signal(VALUES.get(value), Signals.NONE, Signals.USER_ALL));
    }

    @Operation
    public String use(@Param(name = "value") int value) {
        return outcome(() -> table.get(VALUES.get(value), Event.class, Rights.SIGNAL).koid());
    }

    @Operation
    public boolean isValid(@Param(name = "value") int value) {
        return table.isValid(VALUES.get(value));
    }

    @Operation
    public int count() {
        return table.count();
    }

    @Operation
    public String countByType() {
        return table.countByType().toString();
    }

    /// Nobody lost a handle, and nobody's count was lost.
    @Validate
    public void countsAgree() {
        int inTable = table.count();
        if (event.handleCount() != inTable + 1 || kernel.handleCount() != inTable + 1) {
            throw new IllegalStateException(
                    "table=%d object=%d kernel=%d"
                            .formatted(inTable, event.handleCount(), kernel.handleCount()));
        }
    }

    @Test
    @Tag("K-54")
    @Tag("K-58")
    @Tag("K-60")
    void threadsSeeOneTable() {
        Linearizability.stress(HandleTableLincheckTest.class, 3, 4);
    }

    @Test
    @Tag("K-54")
    @Tag("K-58")
    @Tag("K-60")
    void threadsSeeOneTableWhereverTheyAreStopped() {
        Linearizability.modelCheck(HandleTableLincheckTest.class, 2, 3);
    }
}
