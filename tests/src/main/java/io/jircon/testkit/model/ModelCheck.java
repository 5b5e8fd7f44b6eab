package io.jircon.testkit.model;

import io.jircon.hal.Hal;
import io.jircon.kobject.ObjectType;
import io.jircon.testkit.Shrinker;
import io.jircon.vm.Machine;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Runs random histories until enough operations have agreed with the model, and tells the shortest
/// history that does not.
public final class ModelCheck {
    private static final int STEPS_PER_HISTORY = 400;
    private static final int STEPS_BETWEEN_COMPARISONS = 16;

    private final Supplier<Hal> hal;
    private final long seed;

    /// Prepares a check.
    ///
    /// @param hal makes a machine with at least 4 MiB
    /// @param seed where the random choices start; the same seed gives the same histories
    public ModelCheck(Supplier<Hal> hal, long seed) {
        this.hal = hal;
        this.seed = seed;
    }

    /// Runs histories.
    ///
    /// @param operations how many operations to run at least
    /// @throws AssertionError for the first history that differs: with the seed, the shortest
    ///   sequence that still differs, and the model's map before and after its last step
    public void run(long operations) {
        long done = 0;
        for (long history = 0; done < operations; history++) {
            long historySeed = seed + history;
            try (Machine machine = Machine.builder(hal.get()).seed(historySeed).boot()) {
                // Several histories share a machine, so that one leaves nothing for the next.
                for (int i = 0; i < 25 && done < operations; i++, history++) {
                    List<Step> steps = new StepGenerator(seed + history).steps(STEPS_PER_HISTORY);
                    String failure = failureOf(machine, steps);
                    if (failure != null) {
                        throw new AssertionError(explain(seed + history, steps, failure));
                    }
                    done += steps.size();
                }
            }
        }
    }

    /// Runs one history.
    ///
    /// @return what differed, or null
    private static @Nullable String failureOf(Machine machine, List<Step> steps) {
        long free = machine.frames().freeFrames();
        try (var run = new ModelRun(machine)) {
            for (int i = 0; i < steps.size(); i++) {
                run.apply(steps.get(i));
                if (i % STEPS_BETWEEN_COMPARISONS == 0) {
                    run.compareAll();
                }
            }
            run.compareAll();
        } catch (RuntimeException | AssertionError e) {
            return e.toString();
        }
        long lost = free - machine.frames().freeFrames();
        long objects =
                machine.kernel().liveObjects(ObjectType.VMO)
                        + machine.kernel().liveObjects(ObjectType.VMAR);
        return lost == 0 && objects == 0
                ? null
                : lost + " frames and " + objects + " objects are left";
    }

    private @Nullable String freshFailureOf(List<Step> steps, long historySeed) {
        try (Machine machine = Machine.builder(hal.get()).seed(historySeed).boot()) {
            return failureOf(machine, steps);
        }
    }

    private String explain(long historySeed, List<Step> steps, String failure) {
        List<Step> kept = Shrinker.shrink(steps, some -> freshFailureOf(some, historySeed) != null);
        String shown = freshFailureOf(kept, historySeed);
        var text = new StringBuilder();
        text.append("seed ")
                .append(historySeed)
                .append(": ")
                .append(shown == null ? failure : shown);
        text.append(System.lineSeparator())
                .append("after the steps")
                .append(System.lineSeparator());
        kept.forEach(step -> text.append("  ").append(step).append(System.lineSeparator()));
        try (Machine machine = Machine.builder(hal.get()).seed(historySeed).boot();
                var run = new ModelRun(machine)) {
            for (Step step : kept.subList(0, Math.max(0, kept.size() - 1))) {
                run.apply(step);
            }
            text.append("the model before the last step")
                    .append(System.lineSeparator())
                    .append(run.model());
            run.apply(kept.getLast());
            text.append("the model after it").append(System.lineSeparator()).append(run.model());
        } catch (RuntimeException e) {
            text.append("(the last step fails: ").append(e.getMessage()).append(')');
        }
        return text.toString();
    }
}
