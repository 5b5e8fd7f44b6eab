package io.jircon.examples.program;

import io.jircon.examples.elf.ElfFile;
import io.jircon.examples.elf.ElfSegment;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageTableTrait;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmProcess;
import io.jircon.vm.VmarFlags;
import java.util.ArrayList;
import java.util.List;

/// A program in a process of its own, as a kernel leaves it before the first instruction: a region
/// for the image with one mapping for each segment, and a region for the stack whose lower end is a
/// guard.
///
/// The pages of a segment are in a memory object of its own: the file's bytes, then zeros. The
/// process dies when the program is closed, and its address space with it.
public final class LoadedProgram implements AutoCloseable {
    /// Size of the stack in bytes.
    public static final long STACK_BYTES = 256 << 10;

    /// Size of the gap below the stack that nothing may be mapped in, in bytes.
    public static final long GUARD_BYTES = 64 << 10;

    private final ElfFile elf;
    private final VmProcess process;
    private final VmAddressRegion image;
    private final VmAddressRegion stack;
    private final List<Placed> segments;

    private LoadedProgram(
            ElfFile elf,
            VmProcess process,
            VmAddressRegion image,
            VmAddressRegion stack,
            List<Placed> segments) {
        this.elf = elf;
        this.process = process;
        this.image = image;
        this.stack = stack;
        this.segments = List.copyOf(segments);
    }

    /// When pages are taken and entered in the page table.
    public enum Paging {
        /// Each at its first access, by a fault.
        ON_DEMAND,
        /// All while loading.
        POPULATE
    }

    /// A segment where it is now.
    ///
    /// @param part what it is, with addresses as linked
    /// @param base address of its first page, unsigned
    /// @param flags what its mapping allows
    public record Placed(ImageLayout.Part part, long base, MmuFlags flags) {
        /// The address after the last page.
        ///
        /// @return unsigned
        public long end() {
            return base + part.sizeBytes();
        }
    }

    /// Loads a program.
    ///
    /// @param machine where
    /// @param name the name of the process
    /// @param elf a checked program
    /// @param layout its layout
    /// @param paging when pages are entered
    /// @return a program to close
    /// @throws io.jircon.kobject.ZxException when there is no room for it; nothing is left behind
    public static LoadedProgram load(
            Machine machine, String name, ElfFile elf, ImageLayout layout, Paging paging) {
        var process = VmProcess.create(machine, name);
        VmAddressRegion root = process.root();
        try {
            VmAddressRegion image = allocateImage(root, elf, layout);
            var segments = new ArrayList<Placed>();
            for (ImageLayout.Part part : layout.parts()) {
                segments.add(mapSegment(machine, image, elf, layout, part, paging));
            }
            VmAddressRegion stack = mapStack(machine, root, paging);
            process.start();
            return new LoadedProgram(elf, process, image, stack, segments);
        } catch (RuntimeException | Error e) {
            process.kill();
            throw e;
        }
    }

    /// A program that is linked to fixed addresses gets them where the machine has them; one that
    /// is not, or whose addresses the machine lacks, goes wherever there is room.
    private static VmAddressRegion allocateImage(
            VmAddressRegion root, ElfFile elf, ImageLayout layout) {
        long offset = layout.base() - root.baseAddress();
        boolean fits =
                Long.compareUnsigned(offset, root.sizeBytes()) < 0
                        && Long.compareUnsigned(layout.sizeBytes(), root.sizeBytes() - offset) <= 0;
        VmarFlags rights = VmarFlags.CAN_MAP_RWX.with(VmarFlags.CAN_MAP_SPECIFIC);
        return elf.positionIndependent() || !fits
                ? root.allocate(
                        rights.with(VmarFlags.align(layout.alignmentShift())),
                        0,
                        layout.sizeBytes())
                : root.allocate(rights.with(VmarFlags.SPECIFIC), offset, layout.sizeBytes());
    }

    private static Placed mapSegment(
            Machine machine,
            VmAddressRegion image,
            ElfFile elf,
            ImageLayout layout,
            ImageLayout.Part part,
            Paging paging) {
        ElfSegment segment = part.segment();
        try (VmObject pages = VmObject.create(machine, part.sizeBytes())) {
            pages.setName("segment " + segment.index());
            pages.write(part.headBytes(), elf.contents(segment));
            MmuFlags flags = flags(segment);
            long base =
                    map(
                            image,
                            part.base() - layout.base(),
                            pages,
                            part.sizeBytes(),
                            VmarFlags.perms(flags),
                            paging);
            return new Placed(part, base, flags);
        }
    }

    /// What a segment's mapping allows. A region maps nothing that can be written or executed but
    /// not read (clause V-84).
    private static MmuFlags flags(ElfSegment segment) {
        boolean readable = segment.readable() || segment.writable() || segment.executable();
        return MmuFlags.of(
                (readable ? MmuFlags.READ_BIT : 0)
                        | (segment.writable() ? MmuFlags.WRITE_BIT : 0)
                        | (segment.executable() ? MmuFlags.EXECUTE_BIT : 0));
    }

    private static VmAddressRegion mapStack(Machine machine, VmAddressRegion root, Paging paging) {
        VmAddressRegion region =
                root.allocate(
                        VmarFlags.canMap(MmuFlags.RW).with(VmarFlags.CAN_MAP_SPECIFIC),
                        0,
                        GUARD_BYTES + STACK_BYTES);
        try (VmObject pages = VmObject.create(machine, STACK_BYTES)) {
            pages.setName("stack");
            map(region, GUARD_BYTES, pages, STACK_BYTES, VmarFlags.READ_WRITE, paging);
        }
        return region;
    }

    /// The mapping keeps the memory object alive when the caller closes it.
    private static long map(
            VmAddressRegion region,
            long offset,
            VmObject pages,
            long sizeBytes,
            VmarFlags permissions,
            Paging paging) {
        VmarFlags options = permissions.with(VmarFlags.SPECIFIC);
        if (paging == Paging.POPULATE) {
            pages.commit(0, sizeBytes);
            options = options.with(VmarFlags.MAP_RANGE);
        }
        return region.map(options, offset, pages, 0, sizeBytes);
    }

    /// The file that was loaded.
    ///
    /// @return never null
    public ElfFile elf() {
        return elf;
    }

    /// The segments, where they are.
    ///
    /// @return ascending
    public List<Placed> segments() {
        return segments;
    }

    /// The root region of the address space.
    ///
    /// @return dead after close
    public VmAddressRegion root() {
        return process.root();
    }

    /// The process.
    ///
    /// @return dead after close
    public VmProcess process() {
        return process;
    }

    /// The region of the image.
    ///
    /// @return dead after close
    public VmAddressRegion image() {
        return image;
    }

    /// How far the image is from where it was linked to be.
    ///
    /// @return what to add to a linked address, modulo 2^64
    public long bias() {
        return segments.getFirst().base() - segments.getFirst().part().base();
    }

    /// The lowest address of the stack; the guard lies below it.
    ///
    /// @return page aligned
    public long stackBase() {
        return stack.baseAddress() + GUARD_BYTES;
    }

    /// The address after the stack.
    ///
    /// @return page aligned
    public long stackEnd() {
        return stackBase() + STACK_BYTES;
    }

    /// The page table, for a processor to use.
    ///
    /// @return closed after close
    public PageTableTrait pageTable() {
        return process.root().pageTable();
    }

    /// Ends the process: everything in its address space is given back.
    @Override
    public void close() {
        process.kill();
    }
}
