package io.jircon.examples.kernel;

import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.vm.Machine;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.io.PrintStream;

/// Three processes: one counts in memory that it shares with another, which waits for the count;
/// the third only may look, and writes.
public final class TinyKernelDemo {
    private static final int LAST = 5;

    private TinyKernelDemo() {}

    /// Runs the demonstration.
    ///
    /// @param args the name of a HAL, or nothing for `riscv64`
    public static void main(String... args) {
        run(args.length == 0 ? "riscv64" : args[0], System.out);
    }

    static void run(String hal, PrintStream out) {
        Machine machine = Machine.boot(Hals.create(hal, HalConfig.DEFAULT));
        long freeBefore = machine.frames().freeFrames();
        try (var kernel = new TinyKernel(machine)) {
            TinyKernel.Task counter;
            TinyKernel.Task waiter;
            TinyKernel.Task intruder;
            try (VmObject shared = kernel.newMemory(4096)) {
                counter = kernel.spawn("counter", new Counter(shared));
                waiter = kernel.spawn("waiter", new Waiter(shared, out));
                intruder = kernel.spawn("intruder", new Intruder(shared));
                kernel.run();
            }
            for (TinyKernel.Task task : new TinyKernel.Task[] {counter, waiter, intruder}) {
                out.println(task.process().name() + " ended with " + task.process().returnCode());
            }
            long lost = freeBefore - machine.frames().freeFrames();
            out.println("frames lost: " + lost);
        }
    }

    /// Adds one to a word, turn by turn.
    private static final class Counter implements TinyKernel.Program {
        private final VmObject shared;
        private long word;

        Counter(VmObject shared) {
            this.shared = shared;
        }

        @Override
        public boolean step(TinyKernel.Task task) {
            if (word == 0) {
                word = task.map(shared, VmarFlags.READ_WRITE);
            }
            task.store(word, task.load(word) + 1);
            return task.load(word) < LAST;
        }
    }

    /// Looks at the word, at an address of its own, until the count is there.
    private static final class Waiter implements TinyKernel.Program {
        private final VmObject shared;
        private final PrintStream out;
        private long word;

        Waiter(VmObject shared, PrintStream out) {
            this.shared = shared;
            this.out = out;
        }

        @Override
        public boolean step(TinyKernel.Task task) {
            if (word == 0) {
                word = task.map(shared, VmarFlags.PERM_READ);
            }
            out.println("waiter sees " + task.load(word));
            return task.load(word) < LAST;
        }
    }

    /// Writes where it may only read.
    private static final class Intruder implements TinyKernel.Program {
        private final VmObject shared;

        Intruder(VmObject shared) {
            this.shared = shared;
        }

        @Override
        public boolean step(TinyKernel.Task task) {
            task.store(task.map(shared, VmarFlags.PERM_READ), 1_000);
            return true;
        }
    }
}
