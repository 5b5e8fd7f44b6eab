package io.jircon.hal.unix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;

/// A real seccomp filter of this process: from its installation on, and for good, the kernel
/// refuses one system call of every thread. For children only. Source: seccomp(2) and the kernel's
/// `linux/filter.h`, `linux/seccomp.h`, `linux/audit.h`.
///
/// A filter is a program of eight-byte instructions that reads this:
///
/// ```
///   0    4      8                     16            24
///  | nr | arch | instruction pointer | argument 0 | argument 1 ...
/// ```
@SuppressWarnings("restricted") // links two functions of the C library
public final class SeccompFilter {
    /// Calls, with their numbers on the two architectures.
    public enum Call {
        MMAP(9, 222),
        MPROTECT(10, 226),
        PWRITE(18, 68),
        PROCESS_VM_READV(310, 270),
        PROCESS_VM_WRITEV(311, 271),
        MEMFD_CREATE(319, 279),
        SECCOMP(317, 277);

        private final int x86;
        private final int arm;

        Call(int x86, int arm) {
            this.x86 = x86;
            this.arm = arm;
        }

        private int number() {
            return ARM ? arm : x86;
        }
    }

    private record Instruction(int code, int ifFalse, int operand) {}

    private static final boolean ARM = System.getProperty("os.arch").startsWith("aarch");
    private static final int AUDIT_ARCH = ARM ? 0xC000_00B7 : 0xC000_003E;

    private static final int LOAD_WORD = 0x20;
    private static final int AND = 0x54;
    private static final int JUMP_IF_EQUAL = 0x15;
    private static final int RETURN = 0x06;
    private static final int FALSE_IS_END = -1;

    private static final int NUMBER_OFFSET = 0;
    private static final int ARCH_OFFSET = 4;
    private static final int ARGUMENTS_OFFSET = 16;

    private static final int ALLOW = 0x7fff_0000;
    private static final int REFUSE = 0x0005_0000;
    private static final int KILL_PROCESS = 0x8000_0000;

    private static final int PR_SET_NO_NEW_PRIVS = 38;
    private static final int SET_MODE_FILTER = 1;
    private static final int FLAG_TSYNC = 1;

    private final List<Instruction> program = new ArrayList<>();

    private SeccompFilter(Call call) {
        require(ARCH_OFFSET, -1, AUDIT_ARCH);
        require(NUMBER_OFFSET, -1, call.number());
    }

    /// Begins a filter for a call, whatever its arguments.
    public static SeccompFilter of(Call call) {
        return new SeccompFilter(call);
    }

    /// Only calls whose argument has this lower half, as far as the mask goes.
    public SeccompFilter low(int argument, int mask, int value) {
        return require(ARGUMENTS_OFFSET + 8 * argument, mask, value);
    }

    /// Only calls whose argument has this upper half.
    public SeccompFilter high(int argument, int value) {
        return require(ARGUMENTS_OFFSET + 8 * argument + 4, -1, value);
    }

    private SeccompFilter require(int offset, int mask, int value) {
        program.add(new Instruction(LOAD_WORD, 0, offset));
        if (mask != -1) {
            program.add(new Instruction(AND, 0, mask));
        }
        program.add(new Instruction(JUMP_IF_EQUAL, FALSE_IS_END, value));
        return this;
    }

    /// From now on the kernel answers such calls with an error.
    public void refuse(int errno) {
        install(REFUSE | errno);
    }

    /// From now on such a call kills the process before it does anything.
    public void kill() {
        install(KILL_PROCESS);
    }

    private void install(int verdict) {
        program.add(new Instruction(RETURN, 0, verdict));
        program.add(new Instruction(RETURN, 0, ALLOW));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment code = arena.allocate(8L * program.size(), 8);
            for (int i = 0; i < program.size(); i++) {
                Instruction each = program.get(i);
                int jump = each.ifFalse == FALSE_IS_END ? program.size() - 2 - i : 0;
                code.set(JAVA_SHORT, 8L * i, (short) each.code);
                code.set(JAVA_BYTE, 8L * i + 3, (byte) jump);
                code.set(JAVA_INT, 8L * i + 4, each.operand);
            }
            MemorySegment filter = arena.allocate(16, 8);
            filter.set(JAVA_SHORT, 0, (short) program.size());
            filter.set(ADDRESS, 8, code);
            int answer = (int) PRCTL.invokeExact(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
            if (answer != 0) {
                throw new AssertionError("prctl(PR_SET_NO_NEW_PRIVS) = " + answer);
            }
            long number = Call.SECCOMP.number();
            long installed =
                    (long)
                            SYSCALL.invokeExact(
                                    number, (long) SET_MODE_FILTER, (long) FLAG_TSYNC, filter);
            if (installed != 0) {
                throw new AssertionError("seccomp(SET_MODE_FILTER) = " + installed);
            }
        } catch (RuntimeException | Error failed) {
            throw failed;
        } catch (Throwable impossible) {
            throw new AssertionError(impossible);
        }
    }

    private static final MethodHandle PRCTL =
            bind("prctl", JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle SYSCALL =
            bind("syscall", JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS);

    private static MethodHandle bind(String name, MemoryLayout result, MemoryLayout... arguments) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().find(name).orElseThrow(),
                FunctionDescriptor.of(result, arguments),
                Linker.Option.firstVariadicArg(1));
    }
}
