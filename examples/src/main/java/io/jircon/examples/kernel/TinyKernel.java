package io.jircon.examples.kernel;

import io.jircon.hal.AccessKind;
import io.jircon.hal.Mmu;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.UserMemory;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmProcess;
import io.jircon.vm.VmarFlags;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;

/// A teaching microkernel. A program is Java code, but it reaches memory only through a machine's
/// MMU: [Task#load] and [Task#store] are its instructions, and each goes through translation,
/// faults and permissions. A fault that the address space refuses kills the process, as SIGSEGV
/// does.
///
/// One processor, one thread: tasks take turns, one step each.
public final class TinyKernel implements AutoCloseable {
    /// Return code of a process that was killed for an access it may not make.
    public static final long BAD_ACCESS = -11;

    private final Machine machine;
    private final Deque<Task> ready = new ArrayDeque<>();

    /// Starts a kernel.
    ///
    /// @param machine belongs to the kernel from now on
    public TinyKernel(Machine machine) {
        this.machine = machine;
    }

    /// What a process does.
    @FunctionalInterface
    public interface Program {
        /// Does the next thing.
        ///
        /// @param task the process's way to memory
        /// @return false when the program is at its end
        boolean step(Task task);
    }

    /// The memory that several processes may map.
    ///
    /// @param sizeBytes its size
    /// @return an object to close when all that need it have mapped it
    public VmObject newMemory(long sizeBytes) {
        return VmObject.create(machine, sizeBytes);
    }

    /// Makes a process that runs when its turn comes.
    ///
    /// @param name its name
    /// @param program what it does
    /// @return the process, with an empty address space to map things into
    public Task spawn(String name, Program program) {
        var task = new Task(VmProcess.create(machine, name), machine.hal().newMmu(), program);
        task.process.start();
        ready.addLast(task);
        return task;
    }

    /// Runs until no process is left.
    public void run() {
        while (!ready.isEmpty()) {
            Task task = ready.removeFirst();
            if (task.takeTurn()) {
                ready.addLast(task);
            }
        }
    }

    /// Kills what still runs and ends the machine.
    @Override
    public void close() {
        ready.forEach(task -> task.end(() -> task.process.kill()));
        machine.close();
    }

    /// A running process.
    public static final class Task {
        private final VmProcess process;
        private final UserMemory processor;
        private final Program program;
        private final MemorySegment word = MemorySegment.ofArray(new byte[Integer.BYTES]);

        private Task(VmProcess process, Mmu mmu, Program program) {
            this.process = process;
            this.processor = new UserMemory(process.root(), mmu);
            this.program = program;
        }

        /// The process object: its return code, its signals.
        ///
        /// @return never null
        public VmProcess process() {
            return process;
        }

        /// Shows all of a memory object somewhere in the address space.
        ///
        /// @param memory the memory
        /// @param permissions PERM options
        /// @return address of its first byte
        /// @throws io.jircon.kobject.ZxException when there is no room
        public long map(VmObject memory, VmarFlags permissions) {
            VmAddressRegion root = process.root();
            return root.map(permissions, 0, memory, 0, memory.sizeBytes());
        }

        /// Reads a word.
        ///
        /// @param vaddr its address
        /// @return its value
        public int load(long vaddr) {
            access(AccessKind.READ, vaddr);
            return word.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
        }

        /// Writes a word.
        ///
        /// @param vaddr its address
        /// @param value its value
        public void store(long vaddr, int value) {
            word.set(ValueLayout.JAVA_INT_UNALIGNED, 0, value);
            access(AccessKind.WRITE, vaddr);
        }

        private void access(AccessKind kind, long vaddr) {
            ZxStatus status = processor.access(kind, vaddr, word);
            if (status != ZxStatus.OK) {
                throw new Segfault(kind, processor.refusedAt(), status);
            }
        }

        private boolean takeTurn() {
            try {
                if (program.step(this)) {
                    return true;
                }
                end(() -> process.exit(0));
            } catch (Segfault e) {
                end(() -> process.exit(BAD_ACCESS));
            }
            return false;
        }

        /// The processor lets go of the page table before the process gives it up.
        private void end(Runnable death) {
            processor.close();
            death.run();
        }
    }

    /// Unwinds a program that touched what it may not.
    private static final class Segfault extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Segfault(AccessKind kind, long vaddr, ZxStatus status) {
            super("%s at 0x%x: %s".formatted(kind, vaddr, status));
        }
    }
}
