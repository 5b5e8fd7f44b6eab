package io.jircon.tests.oracle;

import static io.jircon.tests.oracle.GuestMemory.WORD;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PhysicalMemory;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// QEMU's RISC-V machine with the hypervisor extension: HLV, HSV and a real fetch in VS mode under
/// `hgatp`.
///
/// QEMU logs every walk of its own; the log names the record that the guest program reads before
/// each probe, so each walk is tied to its probe and the host-physical address comes from the MMU
/// itself.
final class RiscvEmulator extends EmulatedMmu {
    private static final String QEMU = "qemu-system-riscv64";
    private static final long RAM_BASE = 0x8000_0000L;
    private static final long RAM_BYTES = 4L << 30;
    private static final long PARAMETERS = 0x10000;
    private static final long RECORDS = 0x100000;
    private static final int RECORD_BYTES = 64;
    private static final long DONE = 0x600d;

    /// What ends a fetch that does not end by itself.
    private static final long TIMER_INTERRUPT = 1L << 63 | 7;

    private static final int PBMTE = 1;
    private static final int ADUE = 2;

    /// Either the M-mode load of a probe's record, or the second-stage part of a guest access.
    private static final Pattern WALK =
            Pattern.compile(
                    "tlb_fill (?:ad ([0-9a-f]+) rw \\d mmu_idx 3$"
                            + "|2nd-stage address=([0-9a-f]+) ret (\\d+) physical ([0-9a-f]+) prot (\\d+))");

    private final long hgatp;
    private final int flags;

    /// @param hgatp the root register
    /// @param pbmte whether page-based memory types are enabled
    /// @param adue whether the hardware sets accessed and dirty flags
    RiscvEmulator(long hgatp, boolean pbmte, boolean adue) {
        this.hgatp = hgatp;
        this.flags = (pbmte ? PBMTE : 0) | (adue ? ADUE : 0);
    }

    @Override
    GuestProgram program() {
        return GuestProgram.RISCV64;
    }

    @Override
    List<String> emulators() {
        return List.of(QEMU);
    }

    /// Whether the installed QEMU honours A and D switches and the whole width of a GPA: 7.2 does
    /// neither.
    static boolean isStrict() throws IOException {
        Matcher version =
                Pattern.compile("version (\\d+)")
                        .matcher(HostTools.run(List.of(tool(QEMU), "--version")));
        return version.find() && Integer.parseInt(version.group(1)) >= 8;
    }

    @Override
    List<Answer> ask(PhysicalMemory memory, List<Probe> probes) throws IOException {
        Path log = Files.createTempFile(GuestMemory.fastDirectory(), "jircon-walks", ".log");
        try (var ram = new GuestMemory(RAM_BASE, RAM_BYTES)) {
            ram.load(memory);
            long program = ram.programArea();
            MemorySegment code = MemorySegment.ofArray(Files.readAllBytes(program().binary()));
            ram.slice(program, code.byteSize()).copyFrom(code);
            ram.setWord(program + PARAMETERS, hgatp);
            ram.setWord(program + PARAMETERS + 8, probes.size());
            ram.setWord(program + PARAMETERS + 16, flags);
            MemorySegment records =
                    ram.slice(program + RECORDS, (long) probes.size() * RECORD_BYTES);
            for (int i = 0; i < probes.size(); i++) {
                records.set(WORD, (long) i * RECORD_BYTES, probes.get(i).gpa());
                records.set(WORD, (long) i * RECORD_BYTES + 8, probes.get(i).letter());
            }
            String cpu = "rv64,h=true" + ((flags & PBMTE) != 0 ? ",svpbmt=true" : "");
            HostTools.run(
                    List.of(
                            tool(QEMU),
                            "-machine",
                            "virt,memory-backend=ram",
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
                            "-bios",
                            "none",
                            "-device",
                            "loader,addr=0x%x,cpu-num=0".formatted(program),
                            "-d",
                            "mmu,guest_errors",
                            "-D",
                            log.toString()));
            if (ram.word(program + PARAMETERS + 32) != DONE) {
                throw new IOException(
                        "the RISC-V guest did not finish: marker=0x%x, early cause=0x%x"
                                .formatted(
                                        ram.word(program + PARAMETERS + 32),
                                        ram.word(program + PARAMETERS + 56)));
            }
            if (ram.word(program + PARAMETERS + 24) != hgatp) {
                throw new IOException(
                        "hgatp=0x%x reads back as 0x%x: the machine does not have this mode"
                                .formatted(hgatp, ram.word(program + PARAMETERS + 24)));
            }
            long[] translated = readWalks(log, program + RECORDS, probes);
            var answers = new ArrayList<Answer>(probes.size());
            for (int i = 0; i < probes.size(); i++) {
                answers.add(
                        answer(
                                probes.get(i),
                                translated[i],
                                records.asSlice((long) i * RECORD_BYTES, RECORD_BYTES)));
            }
            return answers;
        } finally {
            Files.delete(log);
        }
    }

    /// For each probe the address its last walk gave, or [Answer#UNKNOWN]. A write reads first: the
    /// last walk counts.
    private static long[] readWalks(Path log, long records, List<Probe> probes) throws IOException {
        long[] translated = new long[probes.size()];
        java.util.Arrays.fill(translated, Answer.UNKNOWN);
        int current = -1;
        try (BufferedReader lines = Files.newBufferedReader(log, StandardCharsets.ISO_8859_1)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (!line.contains("tlb_fill")) {
                    continue;
                }
                Matcher walk = WALK.matcher(line);
                if (!walk.find()) {
                    continue;
                }
                if (walk.group(1) != null) {
                    long offset = Long.parseUnsignedLong(walk.group(1), 16) - records;
                    if (offset >= 0 && offset < (long) probes.size() * RECORD_BYTES) {
                        current = (int) (offset / RECORD_BYTES);
                    }
                } else if (current >= 0) {
                    long gpa = probes.get(current).gpa();
                    if (Long.parseUnsignedLong(walk.group(2), 16) >>> 12 == gpa >>> 12) {
                        boolean worked = walk.group(3).equals("0");
                        translated[current] =
                                worked
                                        ? Long.parseUnsignedLong(walk.group(4), 16) & -4096L
                                                | gpa & 4095
                                        : Answer.UNKNOWN;
                    }
                }
            }
        }
        return translated;
    }

    private static Answer answer(Probe probe, long translated, MemorySegment record) {
        long status = record.get(WORD, 16);
        long cause = record.get(WORD, 32);
        if (status == 1 || status == 3) {
            return Answer.ok(translated, "val=" + Long.toHexString(record.get(WORD, 24)));
        }
        if (status != 2) {
            return Answer.fault("not run");
        }
        if (cause == 20 || cause == 21 || cause == 23) {
            return Answer.fault(
                    "guest-page-fault mcause=%d gpa=%x"
                            .formatted(
                                    cause, record.get(WORD, 48) << 2 | record.get(WORD, 40) & 3));
        }
        if (cause == 1 || cause == 5 || cause == 7) {
            return translated == Answer.UNKNOWN
                    ? Answer.fault("access-fault mcause=" + cause + ": a table lies outside RAM")
                    : Answer.ok(translated, "nothing answers there, mcause=" + cause);
        }
        if (cause == TIMER_INTERRUPT) {
            throw new IllegalStateException(
                    probe + " was cut off by the timer: it ran code, or the host stalled");
        }
        if (probe.access() == AccessKind.EXECUTE) {
            return Answer.ok(translated, "executed, mcause=" + Long.toHexString(cause));
        }
        return Answer.fault("other mcause=" + Long.toHexString(cause));
    }
}
