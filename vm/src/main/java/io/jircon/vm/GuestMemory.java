package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AccessWidth;
import io.jircon.hal.Mmu;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import org.jspecify.annotations.Nullable;

/// A guest's memory and devices, as one of its processors or a device model sees them (clauses
/// Addresses are guest-physical.
///
/// A word of 1, 2, 4 or 8 bytes whose address belongs to a device ([AddrSpace#addMmio]) goes to the
/// device's handler instead of memory. INVALID_ARGS refuses a word that lies in a device with a
/// part only, or has a width that the device does not take; nothing has moved then.
///
/// Everything else is for memory: bytes in bulk, instruction fetches and atomic words stop in front
/// of a device with NOT_SUPPORTED, and say how far they came.
///
/// What a handler throws comes through; [#status()] is then that of a [ZxException], else IO.
public final class GuestMemory extends UserMemory {
    private final MmioMap devices;

    /// Whether the access under way is one that a device could have taken.
    private boolean isWord;

    GuestMemory(VmAddressRegion root, Mmu mmu, MmioMap devices) {
        super(root, mmu);
        this.devices = devices;
    }

    @Override
    public long read(long gpa, AccessWidth width) {
        MmioDevice device = devices.firstIn(gpa, width);
        if (device == null) {
            isWord = true;
            try {
                return super.read(gpa, width);
            } finally {
                isWord = false;
            }
        }
        checkWord(device, AccessKind.READ, gpa, width);
        long value;
        try {
            value = device.handler().read(gpa - device.first(), width);
        } catch (RuntimeException e) {
            stop(statusOf(e), gpa);
            throw e;
        }
        succeed();
        return cut(value, width);
    }

    @Override
    public void write(long gpa, AccessWidth width, long value) {
        MmioDevice device = devices.firstIn(gpa, width);
        if (device == null) {
            isWord = true;
            try {
                super.write(gpa, width, value);
            } finally {
                isWord = false;
            }
            return;
        }
        checkWord(device, AccessKind.WRITE, gpa, width);
        try {
            device.handler().write(gpa - device.first(), width, cut(value, width));
        } catch (RuntimeException e) {
            stop(statusOf(e), gpa);
            throw e;
        }
        succeed();
    }

    private void checkWord(MmioDevice device, AccessKind access, long gpa, AccessWidth width) {
        String rule = brokenRule(device, gpa, width);
        if (rule != null) {
            stop(ZxStatus.INVALID_ARGS, gpa);
            throw VmErrors.invalidArgs(
                    "A-160",
                    access + " of gpa=" + hex(gpa) + " width=" + width + rule + " of " + device);
        }
    }

    private static @Nullable String brokenRule(MmioDevice device, long gpa, AccessWidth width) {
        long offset = gpa - device.first();
        long most = device.last() - device.first();
        if (!VmoMath.isInside(offset, width.sizeBytes() - 1L, most)) {
            return " straddles an end";
        }
        return device.widths().contains(width) ? null : " is none of widths=" + device.widths();
    }

    private static ZxStatus statusOf(RuntimeException e) {
        return e instanceof ZxException refusal ? refusal.status() : ZxStatus.IO;
    }

    private static long cut(long value, AccessWidth width) {
        return value & -1L >>> (Long.SIZE - width.bits());
    }

    /// Where nothing is mapped because a device is there, an access that is not for devices was not
    /// supported. A word that finds a device only now came before it.
    @Override
    ZxStatus refusal(long gpa, ZxStatus answer) {
        return answer == ZxStatus.NOT_FOUND && !isWord && devices.firstIn(gpa, gpa) != null
                ? ZxStatus.NOT_SUPPORTED
                : answer;
    }
}
