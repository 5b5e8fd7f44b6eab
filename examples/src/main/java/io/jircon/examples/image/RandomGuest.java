package io.jircon.examples.image;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.CachePolicy;
import io.jircon.vm.Machine;
import io.jircon.vm.VmAddressRegion;
import io.jircon.vm.VmObject;
import io.jircon.vm.VmarFlags;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Fills a guest's address space at random through the operations that everybody uses: pages of
/// memory that are entered by faults, runs of memory and devices with large leaves, every mix of
/// permissions and memory types, and then changes that leave holes and split leaves.
public final class RandomGuest {
    /// Regions lie below this address, which every format and emulator can translate.
    private static final long SPACE_BYTES = 1L << 38;

    private static final long REGION_BYTES = 4L << 30;
    private static final int REGIONS = 8;

    /// Devices lie from here on, above the memory of every machine.
    private static final long DEVICES = 1L << 38;

    private static final long DEVICES_BYTES = 1L << 36;
    private static final int MAX_PAGES_OF_MEMORY = 24;
    private static final int MAX_PAGES_OF_DEVICE = 16;

    /// How often memory is taken in runs of 2 MiB, and how often something is cut out of a mapping
    /// of large leaves, which leaves hundreds of small ones.
    private static final int MAX_RUNS = 12;

    private static final int MAX_GIGABYTES = 6;
    private static final int MAX_CUTS = 2;

    private static final MmuFlags[] PERMISSIONS = {
        MmuFlags.R, MmuFlags.RW, MmuFlags.RX, MmuFlags.RWX
    };

    private final Machine machine;
    private final SplittableRandom random;
    private final VmAddressRegion root;
    private final List<VmAddressRegion> regions = new ArrayList<>();
    private final List<Mapped> mapped = new ArrayList<>();
    private int runs;
    private int gigabytes;
    private int cuts;

    private record Mapped(VmAddressRegion region, long base, long sizeBytes, PageSize leaf) {}

    private RandomGuest(Machine machine, SplittableRandom random) {
        this.machine = machine;
        this.random = random;
        this.root = VmAddressRegion.newRoot(machine, AddressSpaceKind.GUEST);
    }

    /// Makes an address space.
    ///
    /// @param machine where
    /// @param random the same source gives the same address space
    /// @param leaves how many page-table leaves it has to have at least
    /// @return its root region, for the caller to destroy
    /// @throws ZxException NO_MEMORY when the machine is too small
    public static VmAddressRegion create(Machine machine, SplittableRandom random, int leaves) {
        var guest = new RandomGuest(machine, random);
        guest.makeRegions();
        // However small the space is to be, it has something of everything.
        attempt(guest::addGigabyte);
        attempt(guest::addRun);
        attempt(guest::addDevice);
        while (guest.countLeaves() < leaves) {
            guest.step();
        }
        return guest.root;
    }

    private void makeRegions() {
        while (regions.size() < REGIONS) {
            long offset = random.nextLong(SPACE_BYTES / REGION_BYTES) * REGION_BYTES;
            attempt(() -> regions.add(root.createChild(offset, REGION_BYTES)));
        }
    }

    private long countLeaves() {
        long[] count = {0};
        root.pageTable()
                .forEachLeaf(
                        root.baseAddress(),
                        root.sizeBytes(),
                        (vaddr, paddr, size, flags) -> count[0]++);
        return count[0];
    }

    private void step() {
        switch (random.nextInt(10)) {
            case 0, 1, 2, 3, 4 -> attempt(this::addMemory);
            case 5 -> {
                if (runs < MAX_RUNS) {
                    attempt(this::addRun);
                }
            }
            case 6 -> attempt(this::addDevice);
            case 7 -> {
                if (gigabytes < MAX_GIGABYTES) {
                    attempt(this::addGigabyte);
                }
            }
            case 8 -> attempt(this::protectSomething);
            default -> attempt(this::unmapSomething);
        }
    }

    /// A random place may be taken already; then nothing happens.
    private static void attempt(Runnable operation) {
        try {
            operation.run();
        } catch (ZxException e) {
            if (e.status() != ZxStatus.ALREADY_EXISTS && e.status() != ZxStatus.NOT_FOUND) {
                throw e;
            }
        }
    }

    /// Pages that are there once they were accessed; some never are.
    private void addMemory() {
        long size = random.nextLong(1, MAX_PAGES_OF_MEMORY + 1) * PageSize.BASE_BYTES;
        MmuFlags flags = permission();
        try (VmObject vmo = VmObject.create(machine, size)) {
            Mapped range = map(vmo, size, PageSize.SIZE_4K, flags, VmarFlags.NONE);
            for (long at = 0; at < size; at += PageSize.BASE_BYTES) {
                AccessKind access = AccessKind.values()[random.nextInt(3)];
                if (flags.contains(MmuFlags.of(access.requiredBits())) && random.nextInt(8) != 0) {
                    root.handlePageFault(range.base + at, access);
                }
            }
        }
    }

    private void addRun() {
        long size = PageSize.SIZE_2M.bytes();
        try (VmObject vmo = VmObject.createContiguous(machine, size, PageSize.SIZE_2M.shift())) {
            map(vmo, size, PageSize.SIZE_2M, permission(), VmarFlags.MAP_RANGE);
            runs++;
        }
    }

    private void addDevice() {
        PageSize leaf = random.nextInt(4) == 0 ? PageSize.SIZE_2M : PageSize.SIZE_4K;
        long size =
                leaf == PageSize.SIZE_2M
                        ? leaf.bytes() * random.nextLong(1, 4)
                        : leaf.bytes() * random.nextLong(1, MAX_PAGES_OF_DEVICE + 1);
        addPhysical(size, leaf);
    }

    private void addGigabyte() {
        addPhysical(PageSize.SIZE_1G.bytes(), PageSize.SIZE_1G);
        gigabytes++;
    }

    private void addPhysical(long size, PageSize leaf) {
        long paddr = DEVICES + leaf.alignDown(random.nextLong(DEVICES_BYTES));
        CachePolicy[] policies = CachePolicy.values();
        CachePolicy policy = policies[random.nextInt(policies.length)];
        try (VmObject vmo = VmObject.createPhysical(machine, paddr, size, policy)) {
            map(vmo, size, leaf, permission(), VmarFlags.MAP_RANGE);
        }
    }

    private Mapped map(VmObject vmo, long size, PageSize leaf, MmuFlags flags, VmarFlags more) {
        VmAddressRegion region = regions.get(random.nextInt(regions.size()));
        long offset = leaf.alignDown(random.nextLong(REGION_BYTES - size + 1));
        VmarFlags options = VmarFlags.perms(flags).with(VmarFlags.SPECIFIC).with(more);
        var range = new Mapped(region, region.map(options, offset, vmo, 0, size), size, leaf);
        mapped.add(range);
        return range;
    }

    private void protectSomething() {
        Mapped range = anyRange();
        long[] part = anyPart(range);
        if (part[1] != 0) {
            range.region.protect(VmarFlags.perms(permission()), range.base + part[0], part[1]);
        }
    }

    private void unmapSomething() {
        Mapped range = anyRange();
        long[] part = anyPart(range);
        if (part[1] != 0) {
            range.region.unmap(range.base + part[0], part[1]);
        }
    }

    private Mapped anyRange() {
        if (mapped.isEmpty()) {
            addMemory();
        }
        return mapped.get(random.nextInt(mapped.size()));
    }

    /// Offset and length of a part: of small pages any; of large ones the whole, or now and then a
    /// few small pages.
    private long[] anyPart(Mapped range) {
        if (range.leaf.isHuge()) {
            if (cuts == MAX_CUTS) {
                return new long[] {0, 0};
            }
            if (random.nextBoolean()) {
                return new long[] {0, range.sizeBytes};
            }
            cuts++;
        }
        long pages = range.sizeBytes / PageSize.BASE_BYTES;
        long first = random.nextLong(pages);
        long count = random.nextLong(1, Math.min(pages - first, MAX_PAGES_OF_DEVICE) + 1);
        return new long[] {first * PageSize.BASE_BYTES, count * PageSize.BASE_BYTES};
    }

    private MmuFlags permission() {
        return PERMISSIONS[random.nextInt(PERMISSIONS.length)];
    }
}
