package io.jircon.hal.unix;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Counts the host mappings of a machine against `vm.max_map_count`, so that an operation that
/// would pass the limit fails before it changes anything, and the JVM keeps room for its own stacks
/// and heaps.
///
/// The mappings of everybody else in the process are counted from `/proc/self/maps`: at the start,
/// and again each time half of the room that was left is used up.
///
/// Its lock is a leaf below the page tables' locks.
final class MappingBudget {
    private static final Path LIMIT_FILE = Path.of("/proc/sys/vm/max_map_count");
    private static final Path MAPS_FILE = Path.of("/proc/self/maps");
    private static final long KERNEL_DEFAULT = 65_530;

    private final long limit;
    private final long reserve;

    @GuardedBy("this")
    private long used;

    @GuardedBy("this")
    private long others;

    @GuardedBy("this")
    private long recountAt;

    /// Makes a budget.
    ///
    /// @param limit how many mappings the process may have
    MappingBudget(long limit) {
        this.limit = limit;
        this.reserve = limit / 16;
        synchronized (this) {
            recount();
        }
    }

    /// The host's limit.
    ///
    /// @return `vm.max_map_count`, or the kernel's default where it cannot be read
    static long hostLimit() {
        // In one read: the kernel answers only the first one, and Files.readString begins with a
        // single byte.
        try (InputStream file = Files.newInputStream(LIMIT_FILE)) {
            byte[] text = new byte[32];
            int length = Math.max(0, file.read(text));
            return Long.parseLong(new String(text, 0, length, StandardCharsets.US_ASCII).strip());
        } catch (IOException | NumberFormatException unreadable) {
            return KERNEL_DEFAULT;
        }
    }

    /// Counts what an operation adds, before it is made.
    ///
    /// @param peak the most it adds on the way, at least 0 and at least `change`
    /// @param change what it adds at the end; negative when it removes
    /// @param shrinking whether the operation takes access away: those may use half of what is kept
    ///   for the JVM, because what they clean up frees mappings later
    /// @throws PagingException NO_RESOURCES when the limit would be passed; nothing was counted
    void take(long peak, long change, boolean shrinking) {
        if (peak > 0 || change != 0) {
            count(peak, change, shrinking);
        } // else it is worth no lock
    }

    private synchronized void count(long peak, long change, boolean shrinking) {
        if (used + peak > recountAt) {
            recount();
        }
        long room = limit - others - (shrinking ? reserve / 2 : reserve);
        if (peak > 0 && used + peak > room) {
            throw new PagingException(
                    PagingError.NO_RESOURCES,
                    "needs "
                            + peak
                            + " more host mappings; in use: "
                            + used
                            + " here, "
                            + others
                            + " elsewhere in the process; vm.max_map_count="
                            + limit
                            + ", of which "
                            + reserve
                            + " are kept for the JVM; raise it with sysctl -w vm.max_map_count=N,"
                            + " or map frames that lie in a row");
        }
        used += change;
    }

    /// Takes back what [#take] counted.
    ///
    /// @param change as given there
    synchronized void giveBack(long change) {
        used -= change;
    }

    /// How many mappings the machine has now.
    ///
    /// @return one for each window, and one for each border in it
    synchronized long used() {
        return used;
    }

    @GuardedBy("this")
    private void recount() {
        others = Math.max(0, countLines() - used);
        recountAt = used + Math.max(256, (limit - others - reserve - used) / 2);
    }

    private static long countLines() {
        long lines = 0;
        byte[] buffer = new byte[1 << 16];
        try (InputStream maps = Files.newInputStream(MAPS_FILE)) {
            for (int got = maps.read(buffer); got >= 0; got = maps.read(buffer)) {
                for (int i = 0; i < got; i++) {
                    if (buffer[i] == '\n') {
                        lines++;
                    }
                }
            }
        } catch (IOException unreadable) {
            return 0; // without /proc the host's own check remains
        }
        return lines;
    }
}
