package io.jircon.hal.unix;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// Makes each call that a machine needs once, before there is anything to lose: a seccomp filter or
/// another policy of the host can refuse single calls. Each machine tries anew when it opens, since
/// a filter may have come meanwhile.
final class HostProbe {
    private static final long WORD_BYTES = 8;

    private HostProbe() {}

    /// Why no machine can be made on this host.
    ///
    /// @return the reason and what to do about it; empty when one can
    static Optional<String> unavailableReason() {
        try {
            Posix posix = Posix.get();
            try (FrameBacking backing = FrameBacking.memory(posix, PageSize.BASE_BYTES)) {
                check(posix, backing.frames(/* base= */ 0, /* huge= */ false));
            }
            return Optional.empty();
        } catch (PagingException refused) {
            return Optional.of(Posix.textOf(refused));
        }
    }

    /// Tries the calls. Touches no frame.
    ///
    /// @param posix the system calls
    /// @param frames of the machine that opens
    /// @throws PagingException NOT_SUPPORTED when the host's policy forbids a call; NO_MEMORY,
    ///   NO_RESOURCES, SYSTEM when it refuses one for another reason
    static void check(Posix posix, HostFrames frames) {
        HostWindow window = HostWindow.reserveAnywhere(posix, frames, PageSize.BASE_BYTES);
        try {
            long page = frames.hostPage(ShadowEntry.of(frames.base(), MmuFlags.RW));
            require("mmap(a page of frames)", window.show(0, 1, page));
            require("mprotect(a page of frames)", window.protect(0, 1, Posix.PROT_READ));
            require("mmap(a page of reserve)", window.hide(0, 1));
            transfer(posix);
        } finally {
            window.release();
        }
    }

    private static void transfer(Posix posix) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment words = arena.allocate(2 * WORD_BYTES, WORD_BYTES);
            var scratch = new CallScratch();
            scratch.describe(words.address(), words.address() + WORD_BYTES, WORD_BYTES);
            require("process_vm_readv(own memory)", posix.readOwnMemory(scratch));
            require("process_vm_writev(own memory)", posix.writeOwnMemory(scratch));
        }
    }

    private static void require(String call, long result) {
        if (result < 0) {
            throw Posix.unavailable(call, result);
        }
    }
}
