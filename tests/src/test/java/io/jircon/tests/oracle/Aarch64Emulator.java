package io.jircon.tests.oracle;

import static io.jircon.tests.oracle.GuestMemory.WORD;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PhysicalMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;

/// QEMU's AArch64 machine: `AT S12E1R/W` gives address, memory attribute and shareability in
/// `PAR_EL1`; fetches run at EL1 for one instruction. Stage 1 is off and `HCR_EL2.DC` makes it
/// Normal Write-Back, so that `PAR_EL1` shows stage 2 alone.
final class Aarch64Emulator extends EmulatedMmu {
    private static final String QEMU = "qemu-system-aarch64";
    private static final long RAM_BASE = 0x4000_0000L;
    private static final long RAM_BYTES = 4L << 30;
    private static final long PARAMETERS = 0x10000;
    private static final long RECORDS = 0x100000;
    private static final int RECORD_BYTES = 64;
    private static final long DONE = 0x600d;

    private static final long HCR_RW = 1L << 31;
    private static final long HCR_DC = 1L << 12;
    private static final long HCR_VM = 1;
    private static final long HCR_FWB = 1L << 46;

    private static final int EC_INSTRUCTION_ABORT_LOWER = 0x20;
    private static final int EC_INSTRUCTION_ABORT_SAME = 0x21;
    private static final int FSC_EXTERNAL = 0x10;

    private final long vtcr;
    private final long vttbr;
    private final boolean forcedWriteBack;
    private final String cpu;

    /// @param vtcr VTCR_EL2
    /// @param vttbr VTTBR_EL2
    /// @param forcedWriteBack HCR_EL2.FWB
    /// @param cpu QEMU's model: `cortex-a57`, or `max` for the later features
    Aarch64Emulator(long vtcr, long vttbr, boolean forcedWriteBack, String cpu) {
        this.vtcr = vtcr;
        this.vttbr = vttbr;
        this.forcedWriteBack = forcedWriteBack;
        this.cpu = cpu;
    }

    @Override
    GuestProgram program() {
        return GuestProgram.AARCH64;
    }

    @Override
    List<String> emulators() {
        return List.of(QEMU);
    }

    @Override
    List<Answer> ask(PhysicalMemory memory, List<Probe> probes) throws IOException {
        try (var ram = new GuestMemory(RAM_BASE, RAM_BYTES)) {
            ram.load(memory);
            long program = ram.programArea();
            MemorySegment code = MemorySegment.ofArray(Files.readAllBytes(program().binary()));
            ram.slice(program, code.byteSize()).copyFrom(code);
            ram.setWord(program + PARAMETERS, vtcr);
            ram.setWord(program + PARAMETERS + 8, vttbr);
            ram.setWord(program + PARAMETERS + 16, probes.size());
            ram.setWord(
                    program + PARAMETERS + 24,
                    HCR_RW | HCR_DC | HCR_VM | (forcedWriteBack ? HCR_FWB : 0));
            MemorySegment records =
                    ram.slice(program + RECORDS, (long) probes.size() * RECORD_BYTES);
            for (int i = 0; i < probes.size(); i++) {
                records.set(WORD, (long) i * RECORD_BYTES, probes.get(i).gpa());
                records.set(WORD, (long) i * RECORD_BYTES + 8, probes.get(i).letter());
            }
            HostTools.run(
                    List.of(
                            tool(QEMU),
                            "-machine",
                            "virt,virtualization=on,secure=off,gic-version=2,memory-backend=ram",
                            "-cpu",
                            cpu,
                            "-m",
                            (RAM_BYTES >> 20) + "M",
                            "-object",
                            "memory-backend-file,id=ram,share=on,size=%dM,mem-path=%s"
                                    .formatted(RAM_BYTES >> 20, ram.file()),
                            "-display",
                            "none",
                            "-serial",
                            "none",
                            "-monitor",
                            "none",
                            "-net",
                            "none",
                            "-device",
                            "loader,addr=0x%x,cpu-num=0".formatted(program)));
            if (ram.word(program + PARAMETERS + 56) != DONE) {
                throw new IOException(
                        "the AArch64 guest did not finish: marker=0x%x, early ESR=0x%x"
                                .formatted(
                                        ram.word(program + PARAMETERS + 56),
                                        ram.word(program + PARAMETERS + 88)));
            }
            var answers = new ArrayList<Answer>(probes.size());
            for (int i = 0; i < probes.size(); i++) {
                answers.add(
                        answer(
                                probes.get(i),
                                records.asSlice((long) i * RECORD_BYTES, RECORD_BYTES)));
            }
            return answers;
        }
    }

    private static Answer answer(Probe probe, MemorySegment record) {
        long status = record.get(WORD, 16);
        long par = record.get(WORD, 24);
        long esr = record.get(WORD, 32);
        if (status == 1) {
            return (par & 1) == 0
                    ? Answer.ok(translated(par, probe.gpa()), attributes(par))
                    : Answer.fault(faultStatus(par >>> 1));
        }
        if (status != 2) {
            return Answer.fault("not run");
        }
        int exceptionClass = (int) (esr >>> 26 & 0x3f);
        if (probe.access() != AccessKind.EXECUTE) {
            return Answer.fault(faultStatus(esr) + " (AT itself trapped)");
        }
        long hpa = (par & 1) == 0 ? translated(par, probe.gpa()) : Answer.UNKNOWN;
        long esrOfEl1 = record.get(WORD, 56);
        if (esrOfEl1 >>> 26 == EC_INSTRUCTION_ABORT_SAME) {
            return (esrOfEl1 & 0x3f) == FSC_EXTERNAL
                    ? Answer.ok(hpa, "nothing answers there")
                    : Answer.fault(faultStatus(esrOfEl1) + " stage=1");
        }
        boolean samePage = record.get(WORD, 40) >>> 12 == probe.gpa() >>> 12;
        if (exceptionClass == EC_INSTRUCTION_ABORT_LOWER
                && samePage
                && (esr & 0x3f) != FSC_EXTERNAL) {
            return Answer.fault(faultStatus(esr));
        }
        return Answer.ok(hpa, "executed");
    }

    private static long translated(long par, long gpa) {
        return par & 0x000f_ffff_ffff_f000L | gpa & 0xfff;
    }

    /// ATTR and SH of PAR_EL1, as `attr=ff sh=3`.
    private static String attributes(long par) {
        return "attr=%02x sh=%d".formatted(par >>> 56, par >>> 7 & 3);
    }

    private static String faultStatus(long code) {
        int status = (int) (code & 0x3f);
        String kind =
                switch (status >> 2) {
                    case 0 -> "address-size";
                    case 1 -> "translation";
                    case 2 -> "access-flag";
                    case 3 -> "permission";
                    case 5 -> "walk-external";
                    default -> "status=0x" + Integer.toHexString(status);
                };
        return kind + " level=" + (status & 3);
    }
}
