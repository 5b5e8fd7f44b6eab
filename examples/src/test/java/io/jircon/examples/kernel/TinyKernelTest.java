package io.jircon.examples.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.HalConfig;
import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import io.jircon.kobject.ProcessBase;
import io.jircon.vm.Machine;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TinyKernelTest {
    static Stream<String> usableHals() {
        return Hals.providers().stream()
                .filter(provider -> provider.unavailableReason().isEmpty())
                .map(HalProvider::name);
    }

    @ParameterizedTest
    @MethodSource("usableHals")
    void demonstrationIsTheSameOnEveryHal(String hal) {
        var bytes = new ByteArrayOutputStream();
        TinyKernelDemo.run(hal, new PrintStream(bytes, true, StandardCharsets.UTF_8));

        assertEquals(
                List.of(
                        "waiter sees 1",
                        "waiter sees 2",
                        "waiter sees 3",
                        "waiter sees 4",
                        "waiter sees 5",
                        "counter ended with 0",
                        "waiter ended with 0",
                        "intruder ended with -11",
                        "frames lost: 0"),
                bytes.toString(StandardCharsets.UTF_8).lines().toList());
    }

    @Test
    void closeKillsWhatStillRuns() {
        var kernel = new TinyKernel(Machine.boot(Hals.create("riscv64", HalConfig.DEFAULT)));
        TinyKernel.Task task = kernel.spawn("endless", any -> true);

        kernel.close();

        assertEquals(ProcessBase.State.DEAD, task.process().state());
        assertEquals(ProcessBase.KILLED, task.process().returnCode());
    }

    @Test
    void accessOutsideEveryMappingKillsTheProcess() {
        try (var kernel = new TinyKernel(Machine.boot(Hals.create("riscv64", HalConfig.DEFAULT)))) {
            TinyKernel.Task task = kernel.spawn("lost", any -> any.load(0) == 0);

            kernel.run();

            assertEquals(TinyKernel.BAD_ACCESS, task.process().returnCode());
        }
    }
}
