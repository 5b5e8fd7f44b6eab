package io.jircon.vm;

import io.jircon.hal.AccessWidth;
import io.jircon.hal.DeviceRange;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The devices of a guest's address space, by address.
///
/// The tree of regions keeps devices and mappings apart: on the pages of a device lies a sub-region
/// in which nothing can be mapped. Devices may share a page, which then has a sub-region of its
/// own. So a page with a device never has an entry, and a device whose sub-region is unmapped, by
/// whatever way, is gone.
///
/// Lookups take no lock: they read an array that is replaced and never changed. Changes exclude
/// each other by the address space's own lock (`AddrSpace.lock`), which their callers hold.
final class MmioMap {
    private static final MmioDevice[] NONE = {};

    private final VmAddressRegion root;

    /// Ascending, disjoint.
    private volatile MmioDevice[] devices = NONE;

    MmioMap(VmAddressRegion root) {
        this.root = root;
    }

    // ---- lookup

    /// The lowest device with a byte in `[first, last]`, or null. No garbage.
    @Nullable MmioDevice firstIn(long first, long last) {
        MmioDevice[] all = devices;
        int low = 0;
        int high = all.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (Ranges.isBelow(all[middle].last(), first)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low == all.length || Ranges.isBelow(last, all[low].first()) || !all[low].isAlive()) {
            return null;
        }
        return all[low];
    }

    /// The lowest device with a byte of a word, or null.
    @Nullable MmioDevice firstIn(long gpa, AccessWidth width) {
        long more = width.sizeBytes() - 1L;
        return firstIn(gpa, VmoMath.sumWraps(gpa, more) ? -1L : gpa + more);
    }

    // ---- changes

    /// Adds a device.
    ///
    /// @param widths what the handler answered before the lock was taken
    /// @throws ZxException INVALID_ARGS, ALREADY_EXISTS, BAD_STATE; nothing has changed then
    void add(DeviceRange.Mmio range, Set<AccessWidth> widths, MmioHandler handler) {
        prune();
        List<VmAddressRegion> pages = new ArrayList<>();
        var device = new MmioDevice(range, EnumSet.copyOf(widths), handler, pages);
        MmioDevice inTheWay = firstIn(device.first(), device.last());
        if (inTheWay != null) {
            throw new ZxException(
                    ZxStatus.ALREADY_EXISTS, "A-159", "range=" + range + " overlaps " + inTheWay);
        }
        try {
            reservePages(device, pages);
        } catch (ZxException e) {
            giveBack(device);
            throw e;
        }
        MmioDevice[] more = Arrays.copyOf(devices, devices.length + 1);
        int at = more.length - 1;
        for (; at > 0 && Ranges.isBelow(device.first(), more[at - 1].first()); at--) {
            more[at] = more[at - 1];
        }
        more[at] = device;
        devices = more;
    }

    /// Pages that the device has for itself are one sub-region; a page at its ends that it fills
    /// only in part is one by itself, which the next device there shares.
    private void reservePages(MmioDevice device, List<VmAddressRegion> pages) {
        long first = device.firstPage();
        long last = device.lastOfPages();
        boolean fillsFirst = device.first() == first;
        boolean fillsLast = device.last() == last;
        if (!fillsFirst || last - first < VmoMath.PAGE && !fillsLast) {
            pages.add(sharedPage(first));
            first += VmoMath.PAGE;
        }
        if (!fillsLast && Ranges.isBelow(first, last)) {
            pages.add(sharedPage(last - (VmoMath.PAGE - 1)));
            last -= VmoMath.PAGE;
        }
        if (Ranges.isBelow(first, last)) {
            pages.add(reserve(first, last - first + 1));
        }
    }

    private VmAddressRegion sharedPage(long page) {
        MmioDevice other = firstIn(page, page + (VmoMath.PAGE - 1));
        if (other != null) {
            for (VmAddressRegion region : other.pages()) {
                if (region.baseAddress() == page) {
                    return region;
                }
            }
        }
        return reserve(page, VmoMath.PAGE);
    }

    private VmAddressRegion reserve(long gpa, long size) {
        return root.allocate(VmarFlags.SPECIFIC, gpa - root.baseAddress(), size);
    }

    /// Removes a device.
    ///
    /// @throws ZxException NOT_FOUND when there is none with exactly this range
    void remove(DeviceRange.Mmio range) {
        prune();
        for (MmioDevice device : devices) {
            if (device.range().equals(range)) {
                drop(device);
                return;
            }
        }
        throw VmErrors.notFound("A-159", "range=" + range + " is not that of a device");
    }

    /// Refuses a range of pages that cuts a device.
    void requireWhole(String clause, long first, long last) {
        for (MmioDevice device : devices) {
            boolean touches =
                    !Ranges.isBelow(device.lastOfPages(), first)
                            && !Ranges.isBelow(last, device.firstPage());
            boolean cut =
                    Ranges.isBelow(device.firstPage(), first)
                            || Ranges.isBelow(last, device.lastOfPages());
            if (touches && cut && device.isAlive()) {
                throw VmErrors.invalidArgs(
                        clause, "range " + Ranges.text(first, last) + " cuts " + device);
            }
        }
    }

    /// Forgets the devices that were unmapped.
    void prune() {
        for (MmioDevice device : devices) {
            if (!device.isAlive()) {
                drop(device);
            }
        }
    }

    private void drop(MmioDevice gone) {
        MmioDevice[] rest = new MmioDevice[devices.length - 1];
        int count = 0;
        for (MmioDevice device : devices) {
            if (device != gone) {
                rest[count++] = device;
            }
        }
        devices = rest;
        giveBack(gone);
    }

    /// Frees the pages that no other device needs.
    private void giveBack(MmioDevice gone) {
        for (VmAddressRegion region : gone.pages()) {
            if (Arrays.stream(devices).noneMatch(device -> device.pages().contains(region))) {
                destroy(region);
            }
        }
    }

    private static void destroy(VmAddressRegion region) {
        try {
            region.destroy();
        } catch (ZxException e) {
            if (e.status() != ZxStatus.BAD_STATE) {
                throw e;
            }
            // It was unmapped before.
        }
    }
}
