package io.jircon.tests.oracle;

import static io.jircon.tests.oracle.GuestMemory.WORD;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PageSize;
import io.jircon.hal.PhysicalMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// Bochs with VMX and EPT: a small guest touches each address. The host-physical address comes from
/// the stamp that the load returns, so it is known for page-aligned probes of readable pages that
/// lie in memory.
///
/// Bochs has 40 physical address bits: addresses from 1 TiB up cannot be asked.
final class BochsEmulator extends EmulatedMmu {
    /// One run holds at most this many probes.
    static final int MAX_PROBES = 100_000;

    private static final int SECTOR = 512;
    private static final long RECORDS = 0x100000;
    private static final int RECORD_BYTES = 128;
    private static final long STATE = 0x18000;
    private static final long STATE_BYTES = 0x1000;
    private static final long DONE = 0x600d;
    private static final long DISK_MAGIC = 0x4C43_4152_4F54_5045L; // "EPTORACL"
    private static final int EXIT_EPT_VIOLATION = 48;
    private static final int EXIT_EPT_MISCONFIGURATION = 49;

    private final long eptp;

    /// @param eptp the EPT pointer of the VMCS
    BochsEmulator(long eptp) {
        this.eptp = eptp;
    }

    @Override
    GuestProgram program() {
        return GuestProgram.X86_64;
    }

    @Override
    List<String> emulators() {
        return List.of("bochs");
    }

    @Override
    List<Answer> ask(PhysicalMemory memory, List<Probe> probes) throws IOException {
        if (probes.size() > MAX_PROBES) {
            throw new IllegalArgumentException(
                    "probes=" + probes.size() + " is more than one run holds: " + MAX_PROBES);
        }
        Path directory = Files.createTempDirectory(GuestMemory.fastDirectory(), "jircon-bochs");
        try {
            long sectors = writeDisk(directory.resolve("disk.img"), memory, probes);
            long ramMiB = (memory.base() + memory.sizeBytes() + 0xff_ffff >> 24) * 16;
            Path records = directory.resolve("records.bin");
            Path state = directory.resolve("state.bin");
            Files.write(
                    directory.resolve("bochsrc"),
                    List.of(
                            "cpu: model=corei7_skylake_x, count=1, ips=1000000, reset_on_triple_fault=0",
                            "memory: guest=%d, host=%d".formatted(ramMiB, Math.min(ramMiB, 2048)),
                            "romimage: file=%s, address=0xffff0000".formatted(program().binary()),
                            "pci: enabled=0",
                            "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
                            "ata0-master: type=disk, path=%s, mode=flat, cylinders=%d, heads=16, spt=63"
                                    .formatted(directory.resolve("disk.img"), sectors / (16 * 63)),
                            "boot: disk",
                            "magic_break: enabled=1",
                            "display_library: rfb, options=\"timeout=0\"",
                            "clock: sync=none, time0=0",
                            "log: " + directory.resolve("bochs.log"),
                            "panic: action=fatal",
                            "error: action=ignore",
                            "info: action=report",
                            "debug: action=ignore",
                            "speaker: enabled=0",
                            "com1: enabled=0",
                            "parport1: enabled=0",
                            "sound: waveoutdrv=dummy"));
            // The guest stops twice at a magic break: before the first probe and after the last.
            Files.write(
                    directory.resolve("debugger"),
                    List.of(
                            "c",
                            "c",
                            "writemem \"%s\" 0x%x %d"
                                    .formatted(
                                            records,
                                            RECORDS,
                                            Math.max(
                                                    RECORD_BYTES,
                                                    (long) probes.size() * RECORD_BYTES)),
                            "writemem \"%s\" 0x%x 0x%x".formatted(state, STATE, STATE_BYTES),
                            "quit"));
            HostTools.run(
                    Stream.concat(
                                    isolation().stream(),
                                    Stream.of(
                                            "sh",
                                            "-c",
                                            // Bochs ends with 1 when its debugger quits.
                                            "\"$0\" -q -f \"$1\" -rc \"$2\"; test $? -le 1",
                                            tool("bochs"),
                                            directory.resolve("bochsrc").toString(),
                                            directory.resolve("debugger").toString()))
                            .toList());
            checkFinished(state, directory);
            return readAnswers(records, probes);
        } finally {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(directory);
        }
    }

    /// The display of the distribution's Bochs listens on a port; a network namespace of its own
    /// keeps that port off the host.
    private static List<String> isolation() throws IOException {
        return HostTools.find("unshare")
                .map(unshare -> List.of(unshare.toString(), "--map-root-user", "--net"))
                .orElse(List.of());
    }

    private static void checkFinished(Path state, Path directory) throws IOException {
        long marker = 0;
        if (Files.exists(state)) {
            marker = MemorySegment.ofArray(Files.readAllBytes(state)).get(unaligned(), 0x800);
        }
        if (marker != DONE) {
            Path log = directory.resolve("bochs.log");
            throw new IOException(
                    "the x86-64 guest did not finish: marker=0x%x%n%s"
                            .formatted(marker, Files.exists(log) ? Files.readString(log) : ""));
        }
    }

    /// Writes header, chunk table, records and memory to a disk that the guest loads by itself.
    ///
    /// @return the disk's size in sectors, a whole number of cylinders
    private long writeDisk(Path disk, PhysicalMemory memory, List<Probe> probes)
            throws IOException {
        long recordSectors = sectorsOf((long) probes.size() * RECORD_BYTES);
        long memorySectors = sectorsOf(memory.sizeBytes());
        long firstData = 2;
        long used = firstData + recordSectors + memorySectors;
        long total = (used + 16 * 63 - 1) / (16 * 63) * (16 * 63);
        try (FileChannel channel =
                        FileChannel.open(
                                disk,
                                StandardOpenOption.CREATE,
                                StandardOpenOption.READ,
                                StandardOpenOption.WRITE);
                Arena arena = Arena.ofConfined()) {
            MemorySegment bytes =
                    channel.map(FileChannel.MapMode.READ_WRITE, 0, total * SECTOR, arena);
            long[] header = {DISK_MAGIC, eptp, probes.size(), 2, 0, 1, 1};
            for (int i = 0; i < header.length; i++) {
                bytes.set(WORD, 8L * i, header[i]);
            }
            long[] chunks = {
                RECORDS,
                firstData,
                recordSectors,
                memory.base(),
                firstData + recordSectors,
                memorySectors
            };
            for (int i = 0; i < chunks.length; i++) {
                bytes.set(WORD, SECTOR + 8L * i, chunks[i]);
            }
            for (int i = 0; i < probes.size(); i++) {
                long at = firstData * SECTOR + (long) i * RECORD_BYTES;
                bytes.set(WORD, at, probes.get(i).gpa());
                bytes.set(WORD, at + 8, probes.get(i).letter());
            }
            GuestMemory.copyStamped(
                    memory,
                    bytes.asSlice((firstData + recordSectors) * SECTOR, memory.sizeBytes()));
        }
        return total;
    }

    private static long sectorsOf(long bytes) {
        return (bytes + SECTOR - 1) / SECTOR;
    }

    private static java.lang.foreign.ValueLayout.OfLong unaligned() {
        return WORD.withByteAlignment(1);
    }

    private static List<Answer> readAnswers(Path file, List<Probe> probes) throws IOException {
        MemorySegment records = MemorySegment.ofArray(Files.readAllBytes(file));
        var answers = new ArrayList<Answer>(probes.size());
        for (int i = 0; i < probes.size(); i++) {
            MemorySegment record = records.asSlice((long) i * RECORD_BYTES, RECORD_BYTES);
            answers.add(answer(probes.get(i), record));
        }
        return answers;
    }

    private static Answer answer(Probe probe, MemorySegment record) {
        long status = record.get(unaligned(), 16);
        long value = record.get(unaligned(), 24);
        long reason = record.get(unaligned(), 32);
        long qualification = record.get(unaligned(), 40);
        long gpa = record.get(unaligned(), 48);
        if (status == 1) {
            boolean wasRead =
                    probe.access() != AccessKind.EXECUTE || record.get(unaligned(), 96) == 1;
            boolean isStamp = PageSize.SIZE_4K.isAligned(probe.gpa()) && isPlausibleStamp(value);
            return Answer.ok(
                    wasRead && isStamp ? value : Answer.UNKNOWN, "val=" + Long.toHexString(value));
        }
        if (status == 2 && (reason == EXIT_EPT_VIOLATION || reason == EXIT_EPT_MISCONFIGURATION)) {
            if (gpa >>> 12 == probe.gpa() >>> 12) {
                return Answer.fault(
                        reason == EXIT_EPT_VIOLATION
                                ? "ept-violation qualification=" + Long.toHexString(qualification)
                                : "ept-misconfiguration");
            }
            if (probe.access() == AccessKind.EXECUTE) {
                return Answer.ok(Answer.UNKNOWN, "executed, then left the page");
            }
        }
        if (status == 3) {
            return Answer.fault("vm-entry-failed");
        }
        return Answer.fault(
                status == 9 ? "beyond 40 bits" : "exit reason=" + reason + " status=" + status);
    }

    /// A stamp is page aligned and not zero; what stands in an unbacked frame is all ones.
    private static boolean isPlausibleStamp(long value) {
        return value != 0 && value != -1 && PageSize.SIZE_4K.isAligned(value);
    }
}
