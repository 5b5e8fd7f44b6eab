package io.jircon.examples.image;

import io.jircon.hal.AccessKind;
import io.jircon.hal.PageSize;
import io.jircon.hal.PhysicalMemory;
import io.jircon.hal.WalkResult;
import io.jircon.hal.npt.Cr3;
import io.jircon.hal.npt.Eptp;
import io.jircon.hal.npt.Hgatp;
import io.jircon.hal.npt.NestedPageTable;
import io.jircon.hal.npt.RootRegister;
import io.jircon.hal.npt.Satp;
import io.jircon.hal.npt.TcrEl1;
import io.jircon.hal.npt.TtbrEl1;
import io.jircon.hal.npt.VtcrEl2;
import io.jircon.hal.npt.VttbrEl2;
import java.io.BufferedWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/// Writes a machine with one guest's table to a directory:
///
/// - `image.bin`: physical memory from its base on; pages of zeros are holes in the file
/// - `meta.txt`: `base=`, `root=`, and what switches the table on: `eptp=` (EPTP), `vtcr=`
///   (VTCR_EL2) or `mode=` (hgatp.MODE); hexadecimal
/// - `probes.txt`: `<gpa> <r|w|x>`, one to a line, hexadecimal
/// - `expected.txt`: `<gpa> <r|w|x> ok <hpa>` or `<gpa> <r|w|x> fault`, in the same order, by the
///   walker that the software MMU uses
public final class MachineImage {
    private final PhysicalMemory memory;
    private final NestedPageTable table;

    /// Describes a machine.
    ///
    /// @param memory its memory
    /// @param table the guest's table, which nobody changes meanwhile
    public MachineImage(PhysicalMemory memory, NestedPageTable table) {
        this.memory = memory;
        this.table = table;
    }

    /// How much was written.
    ///
    /// @param leaves how many leaves the table has, by their size
    /// @param probes how many probes
    /// @param allowed how many of them are answered with an address
    public record Summary(Map<PageSize, Integer> leaves, int probes, int allowed) {}

    /// Writes the files, replacing those that are there.
    ///
    /// @param directory an existing directory
    /// @param random where the probes in holes come from
    /// @return how much was written
    /// @throws IOException when the files cannot be written
    public Summary write(Path directory, SplittableRandom random) throws IOException {
        writeMemory(directory.resolve("image.bin"));
        Files.writeString(
                directory.resolve("meta.txt"),
                "base=%x%nroot=%x%n%s%n"
                        .formatted(memory.base(), table.rootAddress(), controlRegister()));
        var addresses = new LinkedHashSet<Long>();
        Map<PageSize, Integer> leaves = chooseAddresses(addresses, random);
        List<Probe> probes = chooseProbes(addresses);
        int allowed = 0;
        var result = new WalkResult();
        try (BufferedWriter questions = Files.newBufferedWriter(directory.resolve("probes.txt"));
                BufferedWriter answers =
                        Files.newBufferedWriter(directory.resolve("expected.txt"))) {
            for (Probe probe : probes) {
                questions.write(probe + "\n");
                boolean ok = table.hardwareWalk(probe.gpa(), probe.access(), result);
                allowed += ok ? 1 : 0;
                answers.write(
                        probe + (ok ? " ok " + Long.toHexString(result.paddr) : " fault") + "\n");
            }
        }
        return new Summary(leaves, probes.size(), allowed);
    }

    /// What a hypervisor puts into a register, besides the root, to switch the table on.
    private String controlRegister() {
        for (RootRegister register : table.rootRegisters()) {
            switch (register) {
                case Eptp eptp -> {
                    return "eptp=%x".formatted(eptp.encode());
                }
                case VtcrEl2 vtcr -> {
                    return "vtcr=%x".formatted(vtcr.encode());
                }
                case Hgatp hgatp -> {
                    return "mode=%x".formatted(hgatp.mode());
                }
                // The others belong to stage 1, or hold nothing but the root and a tag.
                case Cr3 _, Satp _, TcrEl1 _, TtbrEl1 _, VttbrEl2 _ -> {}
            }
        }
        throw new IllegalStateException(table + " is not a guest's");
    }

    private void writeMemory(Path file) throws IOException {
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.SPARSE)) {
            long last = memory.sizeBytes() - PageSize.BASE_BYTES;
            for (long offset = 0; offset <= last; offset += PageSize.BASE_BYTES) {
                MemorySegment page = memory.slice(memory.base() + offset, PageSize.BASE_BYTES);
                // The last page is written whatever it holds: it gives the file its size.
                if (offset == last || !isZero(page)) {
                    var bytes = page.asByteBuffer();
                    while (bytes.hasRemaining()) {
                        channel.write(bytes, offset + bytes.position());
                    }
                }
            }
        }
    }

    private static boolean isZero(MemorySegment page) {
        return page.get(ValueLayout.JAVA_BYTE, 0) == 0
                && page.asSlice(1).mismatch(page.asSlice(0, page.byteSize() - 1)) < 0;
    }

    /// The first and last page of each leaf, one in the middle, the neighbours outside it, and
    /// addresses anywhere.
    private Map<PageSize, Integer> chooseAddresses(Set<Long> addresses, SplittableRandom random) {
        var leaves = new EnumMap<PageSize, Integer>(PageSize.class);
        long space = table.lastAddress() - table.firstAddress() + 1;
        table.forEachLeaf(
                table.firstAddress(),
                space,
                (vaddr, paddr, size, flags) -> {
                    leaves.merge(size, 1, Integer::sum);
                    addresses.add(vaddr);
                    addresses.add(vaddr + size.bytes() - PageSize.BASE_BYTES);
                    addresses.add(
                            PageSize.SIZE_4K.alignDown(vaddr + random.nextLong(size.bytes())));
                    addresses.add(vaddr + size.bytes());
                    if (vaddr != 0) {
                        addresses.add(vaddr - PageSize.BASE_BYTES);
                    }
                });
        for (int i = addresses.size() / 16; i > 0; i--) {
            long anywhere = table.firstAddress() + random.nextLong(space);
            addresses.add(PageSize.SIZE_4K.alignDown(anywhere));
        }
        return leaves;
    }

    private List<Probe> chooseProbes(Set<Long> addresses) {
        var probes = new ArrayList<Probe>();
        var result = new WalkResult();
        for (long gpa : addresses) {
            if (Long.compareUnsigned(gpa, table.lastAddress()) > 0) {
                continue;
            }
            probes.add(new Probe(gpa, AccessKind.READ));
            probes.add(new Probe(gpa, AccessKind.WRITE));
            if (!table.hardwareWalk(gpa, AccessKind.EXECUTE, result)
                    || isHarmlessCode(result.paddr)) {
                probes.add(new Probe(gpa, AccessKind.EXECUTE));
            }
        }
        return probes;
    }

    /// An emulator really executes what a probe fetches, from the page's second word on: one
    /// instruction, or on RISC-V until something traps, which zero does at once.
    private boolean isHarmlessCode(long page) {
        return memory.contains(page, PageSize.BASE_BYTES) && memory.readLong(page + 8) == 0;
    }
}
