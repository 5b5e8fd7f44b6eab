package io.jircon.testkit.model;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.MemoryPriority;
import io.jircon.vm.VmarFlags;
import io.jircon.vm.VmarOp;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// What regions and mappings are supposed to do, page by page, in the contract's order of checks
/// and without any of the real thing's data structures. Addresses are absolute.
public final class AddressSpaceModel {
    static final long PAGE = PageSize.BASE_BYTES;

    /// A region.
    static final class Region {
        final long base;
        final long size;
        final VmarFlags flags;
        final @Nullable Region parent;
        boolean alive = true;

        /// Its own, and that of every mapping in it (clauses V-79, V-118 and V-265).
        MemoryPriority priority;

        Region(long base, long size, VmarFlags flags, @Nullable Region parent) {
            this.base = base;
            this.size = size;
            this.flags = flags;
            this.parent = parent;
            this.priority = parent == null ? MemoryPriority.DEFAULT : parent.priority;
        }

        boolean contains(long at, long len) {
            return at - base >= 0 && len <= size && at - base <= size - len;
        }
    }

    /// What one mapped page shows.
    ///
    /// @param owner the region the mapping is a direct child of
    /// @param vmo which memory object
    /// @param page which page of it
    /// @param permissions what may be done now
    /// @param most what may be allowed later
    record Page(Region owner, int vmo, long page, MmuFlags permissions, MmuFlags most) {}

    /// A memory object: its size and the first byte of each page that has one.
    static final class Vmo {
        long pages;
        final boolean resizable;
        final int family;
        final Map<Long, Integer> bytes = new HashMap<>();

        Vmo(long pages, boolean resizable, int family) {
            this.pages = pages;
            this.resizable = resizable;
            this.family = family;
        }
    }

    final List<Region> regions = new ArrayList<>();
    final List<Vmo> vmos = new ArrayList<>();
    final TreeMap<Long, Page> pages = new TreeMap<>();

    /// Makes a model with one region and no memory object.
    ///
    /// @param base address of the arena
    /// @param size its size in bytes
    /// @param flags what may be done in it
    public AddressSpaceModel(long base, long size, VmarFlags flags) {
        regions.add(new Region(base, size, flags, null));
    }

    void addVmo(long pageCount, boolean resizable) {
        vmos.add(new Vmo(pageCount, resizable, vmos.size()));
    }

    // ---- allocate and map

    /// Decides what allocate answers, and nothing else.
    ZxStatus judgeAllocate(Region region, VmarFlags options, long offset, long size) {
        VmarFlags legal =
                VmarFlags.CAN_MAP_RWX
                        .with(VmarFlags.CAN_MAP_SPECIFIC)
                        .with(VmarFlags.COMPACT)
                        .with(VmarFlags.SPECIFIC)
                        .with(VmarFlags.OFFSET_IS_UPPER_LIMIT);
        boolean illegal = (options.bits() & 0xffffff & ~legal.bits()) != 0;
        if (illegal || size % PAGE != 0) { // V-60
            return ZxStatus.INVALID_ARGS;
        }
        if (!region.alive) { // V-61
            return ZxStatus.BAD_STATE;
        }
        if (size == 0) { // V-62
            return ZxStatus.INVALID_ARGS;
        }
        if (!region.flags.mappablePermissions().contains(options.mappablePermissions())) { // V-63
            return ZxStatus.ACCESS_DENIED;
        }
        return judgePlace(region, options, offset, size);
    }

    /// Clauses V-64 to V-72, which allocate and map have in common.
    private ZxStatus judgePlace(Region region, VmarFlags options, long offset, long size) {
        boolean specific = isSpecific(options);
        boolean limited = options.contains(VmarFlags.OFFSET_IS_UPPER_LIMIT);
        if (specific && limited) { // V-64
            return ZxStatus.INVALID_ARGS;
        }
        if (!specific && !limited && offset != 0) { // V-65
            return ZxStatus.INVALID_ARGS;
        }
        if (offset % PAGE != 0) { // V-66
            return ZxStatus.INVALID_ARGS;
        }
        if ((specific || limited) && !region.flags.contains(VmarFlags.CAN_MAP_SPECIFIC)) { // V-67
            return ZxStatus.ACCESS_DENIED;
        }
        boolean tooLarge = isAbove(size, region.size);
        if (!limited
                && (!isAbove(region.size, offset) || isAbove(size, region.size - offset))) { // V-68
            return ZxStatus.INVALID_ARGS;
        }
        if (limited
                && (isAbove(offset, region.size) || tooLarge || isAbove(size, offset))) { // V-69
            return ZxStatus.INVALID_ARGS;
        }
        if (specific) {
            long at = region.base + offset;
            if (at % alignment(options) != 0) { // V-70
                return ZxStatus.INVALID_ARGS;
            }
            boolean taken = !isFree(region, at, size);
            boolean overwrite = options.contains(VmarFlags.SPECIFIC_OVERWRITE);
            if (overwrite) { // V-102
                return touchesRegion(region, at, size) ? ZxStatus.INVALID_ARGS : ZxStatus.OK;
            }
            return taken ? ZxStatus.ALREADY_EXISTS : ZxStatus.OK; // V-71
        }
        return places(region, options, offset, size).isEmpty()
                ? ZxStatus.NO_RESOURCES
                : ZxStatus.OK; // V-72
    }

    private static boolean isAbove(long a, long b) {
        return Long.compareUnsigned(a, b) > 0;
    }

    private static boolean isSpecific(VmarFlags options) {
        return options.contains(VmarFlags.SPECIFIC)
                || options.contains(VmarFlags.SPECIFIC_OVERWRITE);
    }

    private static long alignment(VmarFlags options) {
        return Math.max(PAGE, options.alignShift() == 0 ? 0 : 1L << options.alignShift());
    }

    /// Every address that allocate or map may choose.
    Set<Long> places(Region region, VmarFlags options, long offset, long size) {
        var places = new TreeSet<Long>();
        if (isSpecific(options)) {
            places.add(region.base + offset);
            return places;
        }
        long end =
                options.contains(VmarFlags.OFFSET_IS_UPPER_LIMIT)
                        ? region.base + offset
                        : region.base + region.size;
        for (long at = region.base; at + size <= end; at += PAGE) {
            if (at % alignment(options) == 0 && isFree(region, at, size)) {
                places.add(at);
            }
        }
        return places;
    }

    private boolean touchesRegion(Region region, long at, long size) {
        return regions.stream()
                .anyMatch(child ->
                        child.alive
                                && child.parent == region
                                && child.base < at + size
                                && at < child.base + child.size);
    }

    /// Whether no child of a region, region or mapping, lies in a range.
    private boolean isFree(Region region, long at, long size) {
        return !touchesRegion(region, at, size) && pages.subMap(at, at + size).isEmpty();
    }

    void allocate(Region region, VmarFlags options, long at, long size) {
        VmarFlags kept =
                options.without(VmarFlags.SPECIFIC).without(VmarFlags.OFFSET_IS_UPPER_LIMIT);
        regions.add(new Region(at, size, kept, region));
    }

    /// Decides what map answers, and nothing else.
    ZxStatus judgeMap(Region region, Step.Map step, Vmo vmo) {
        VmarFlags options = step.options();
        MmuFlags wanted = options.permissions();
        if (!wanted.canRead() && !wanted.isNoAccess()) { // V-84
            return ZxStatus.INVALID_ARGS;
        }
        boolean overwrite = options.contains(VmarFlags.SPECIFIC_OVERWRITE);
        if (overwrite && options.contains(VmarFlags.MAP_RANGE)) { // V-85
            return ZxStatus.INVALID_ARGS;
        }
        if (!options.mappablePermissions().isNoAccess()) { // V-86
            return ZxStatus.INVALID_ARGS;
        }
        if (!step.most().contains(wanted)) { // V-87
            return ZxStatus.ACCESS_DENIED;
        }
        if (options.contains(VmarFlags.REQUIRE_NON_RESIZABLE) && vmo.resizable) { // V-91
            return ZxStatus.NOT_SUPPORTED;
        }
        if (options.contains(VmarFlags.COMPACT)
                || options.contains(VmarFlags.CAN_MAP_SPECIFIC)) { // V-93
            return ZxStatus.INVALID_ARGS;
        }
        if (!region.flags.mappablePermissions().contains(wanted)) { // V-94
            return ZxStatus.ACCESS_DENIED;
        }
        if (step.vmoOffset() % PAGE != 0) { // V-95
            return ZxStatus.INVALID_ARGS;
        }
        long size = roundUp(step.len());
        boolean lenWraps = size == 0 && step.len() != 0; // V-96
        boolean endWraps =
                Long.compareUnsigned(step.vmoOffset() + size, step.vmoOffset()) < 0; // V-97
        if (lenWraps || endWraps) {
            return ZxStatus.OUT_OF_RANGE;
        }
        if (!region.alive) { // V-99
            return ZxStatus.BAD_STATE;
        }
        if (size == 0) { // V-100
            return ZxStatus.INVALID_ARGS;
        }
        return judgePlace(region, options, step.offset(), size); // V-101
    }

    void map(Region region, Step.Map step, int vmo, long at) {
        MmuFlags most =
                MmuFlags.of(
                        step.most().access().bits() & region.flags.mappablePermissions().bits());
        long first = step.vmoOffset() >>> PageSize.BASE_SHIFT;
        for (long i = 0; i < roundUp(step.len()) / PAGE; i++) {
            pages.put(
                    at + i * PAGE,
                    new Page(region, vmo, first + i, step.options().permissions(), most));
        }
    }

    static long roundUp(long len) {
        return len + PAGE - 1 & -PAGE;
    }

    // ---- unmap, protect, destroy, op_range

    ZxStatus unmap(Region region, long at, long len) {
        long size = roundUp(len);
        if (at % PAGE != 0 || size == 0) { // V-124, V-125
            return ZxStatus.INVALID_ARGS;
        }
        if (!region.alive) { // V-126
            return ZxStatus.BAD_STATE;
        }
        if (size < 0 || !region.contains(at, size)) { // V-127
            return ZxStatus.INVALID_ARGS;
        }
        List<Region> covered = new ArrayList<>();
        for (Region child : regions) {
            boolean touched =
                    child.alive
                            && child.parent == region
                            && child.base < at + size
                            && at < child.base + child.size;
            if (touched) {
                if (child.base < at || child.base + child.size > at + size) { // V-130
                    return ZxStatus.INVALID_ARGS;
                }
                covered.add(child);
            }
        }
        covered.forEach(this::kill);
        pages.subMap(at, at + size).values().removeIf(page -> page.owner() == region);
        return ZxStatus.OK;
    }

    ZxStatus protect(Region region, VmarFlags options, long at, long len) {
        MmuFlags wanted = options.permissions();
        if (!wanted.canRead() && !wanted.isNoAccess()) { // V-142
            return ZxStatus.INVALID_ARGS;
        }
        long size = roundUp(len);
        boolean others = options.without(VmarFlags.perms(MmuFlags.RWX)).bits() != 0;
        if (at % PAGE != 0 || others || size == 0) { // V-143 to V-145
            return ZxStatus.INVALID_ARGS;
        }
        if (!region.alive) { // V-146
            return ZxStatus.BAD_STATE;
        }
        if (size < 0 || !region.contains(at, size)) { // V-147
            return ZxStatus.INVALID_ARGS;
        }
        for (long vaddr = at; vaddr < at + size; vaddr += PAGE) {
            Page page = pages.get(vaddr);
            if (page == null) { // V-148, V-153
                return ZxStatus.NOT_FOUND;
            }
            boolean nested = page.owner() != region;
            if (!page.most().contains(wanted)
                    || (nested && !page.permissions().contains(wanted))) { // V-149, V-152
                return ZxStatus.ACCESS_DENIED;
            }
        }
        pages.subMap(at, at + size)
                .replaceAll((vaddr, page) ->
                        new Page(page.owner(), page.vmo(), page.page(), wanted, page.most()));
        return ZxStatus.OK;
    }

    ZxStatus destroy(Region region) {
        if (!region.alive) { // V-167
            return ZxStatus.BAD_STATE;
        }
        kill(region);
        return ZxStatus.OK;
    }

    private void kill(Region region) {
        region.alive = false;
        regions.stream().filter(child -> child.alive && child.parent == region).forEach(this::kill);
        pages.values().removeIf(page -> page.owner() == region);
    }

    ZxStatus range(Region region, VmarOp op, long at, long len) {
        long size = roundUp(len);
        if (size == 0 || at % PAGE != 0) { // V-173
            return ZxStatus.INVALID_ARGS;
        }
        if (size < 0 || !region.contains(at, size)) { // V-174
            return ZxStatus.OUT_OF_RANGE;
        }
        if (!region.alive) { // V-175
            return ZxStatus.BAD_STATE;
        }
        for (long vaddr = at; vaddr < at + size; vaddr += PAGE) {
            Page page = pages.get(vaddr);
            if (page == null) { // V-177
                return ZxStatus.BAD_STATE;
            }
            if (op == VmarOp.COMMIT) {
                if (page.owner() != region) { // V-178
                    return ZxStatus.INVALID_ARGS;
                }
                if (!page.most().canWrite()) { // V-180
                    return ZxStatus.ACCESS_DENIED;
                }
                if (page.page() >= vmos.get(page.vmo()).pages) { // V-181, V-188
                    return ZxStatus.OUT_OF_RANGE;
                }
            }
        }
        return ZxStatus.OK;
    }

    ZxStatus setPriority(Region region, MemoryPriority priority) {
        if (!region.alive) { // V-272
            return ZxStatus.BAD_STATE;
        }
        overwritePriority(region, priority);
        return ZxStatus.OK;
    }

    /// Clause V-273.
    private void overwritePriority(Region region, MemoryPriority priority) {
        region.priority = priority;
        regions.stream()
                .filter(child -> child.alive && child.parent == region)
                .forEach(child -> overwritePriority(child, priority));
    }

    /// Whether a page of a memory object is mapped with HIGH priority (clause V-274).
    boolean isWantedHighly(int vmo) {
        return pages.values().stream()
                .anyMatch(
                        page -> page.vmo() == vmo && page.owner().priority == MemoryPriority.HIGH);
    }

    // ---- accesses

    /// Decides what an access ends in (clauses V-195 to V-198).
    ZxStatus judgeAccess(long at, AccessKind access) {
        Page page = pages.get(at);
        if (page == null) {
            return ZxStatus.NOT_FOUND;
        }
        MmuFlags has = page.permissions();
        boolean allowed =
                switch (access) {
                    case READ -> has.canRead();
                    case WRITE -> has.canWrite();
                    case EXECUTE -> has.canRead() && has.canExecute();
                };
        if (!allowed) {
            return ZxStatus.ACCESS_DENIED;
        }
        return page.page() < vmos.get(page.vmo()).pages ? ZxStatus.OK : ZxStatus.OUT_OF_RANGE;
    }

    int byteAt(long at) {
        Page page = pages.get(at);
        return page == null ? 0 : vmos.get(page.vmo()).bytes.getOrDefault(page.page(), 0);
    }

    void store(long at, int value) {
        Page page = pages.get(at);
        if (page != null) {
            vmos.get(page.vmo()).bytes.put(page.page(), value);
        }
    }

    // ---- memory objects

    ZxStatus write(Vmo vmo, long page, int value) {
        if (page >= vmo.pages) {
            return ZxStatus.OUT_OF_RANGE;
        }
        vmo.bytes.put(page, value);
        return ZxStatus.OK;
    }

    ZxStatus resize(Vmo vmo, long pageCount) {
        if (!vmo.resizable) {
            return ZxStatus.UNAVAILABLE;
        }
        vmo.pages = pageCount;
        vmo.bytes.keySet().removeIf(page -> page >= pageCount);
        return ZxStatus.OK;
    }

    ZxStatus decommit(Vmo vmo, long page, long count) {
        if (page + count > vmo.pages) {
            return ZxStatus.OUT_OF_RANGE;
        }
        if (count == 0) {
            return ZxStatus.OK;
        }
        if (vmos.stream().filter(other -> other.family == vmo.family).count() > 1) { // O-86
            return ZxStatus.NOT_SUPPORTED;
        }
        vmo.bytes.keySet().removeIf(has -> has >= page && has < page + count);
        return ZxStatus.OK;
    }

    ZxStatus zero(Vmo vmo, long page, long count) {
        if (page + count > vmo.pages) {
            return ZxStatus.OUT_OF_RANGE;
        }
        vmo.bytes.keySet().removeIf(has -> has >= page && has < page + count);
        return ZxStatus.OK;
    }

    void snapshot(Vmo vmo) {
        var copy = new Vmo(vmo.pages, false, vmo.family);
        copy.bytes.putAll(vmo.bytes);
        vmos.add(copy);
    }

    /// The whole state, for people.
    @Override
    public String toString() {
        var text = new StringBuilder();
        for (int i = 0; i < regions.size(); i++) {
            Region region = regions.get(i);
            if (region.alive) {
                text.append(
                        "region %d %x..%x %s%n"
                                .formatted(
                                        i, region.base, region.base + region.size, region.flags));
            }
        }
        pages.forEach((vaddr, page) ->
                text.append(
                        "%x region %d vmo %d page %d %s of %s%n"
                                .formatted(
                                        vaddr,
                                        regions.indexOf(page.owner()),
                                        page.vmo(),
                                        page.page(),
                                        page.permissions(),
                                        page.most())));
        return text.toString();
    }
}
