package io.jircon.hal;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// How one address is translated, table by table: a readable record of what the machine's walker
/// does.
///
/// @param vaddr the address that was translated, unsigned
/// @param access the access it was translated for
/// @param steps what was read, from the root down; never empty where the format has tables in
///   memory
/// @param mapping what came out, or null when the walk ended in a fault
/// @param fault why it failed, or null when it succeeded
public record PageWalk(
        long vaddr,
        AccessKind access,
        List<Step> steps,
        @Nullable PageMapping mapping,
        @Nullable PageFault fault) {

    /// Copies the steps.
    public PageWalk {
        steps = List.copyOf(steps);
    }

    /// One entry that was read.
    ///
    /// @param levelName the level in the architecture's own words, such as `PML4E` or `level 1`
    /// @param tableAddress physical address of the table, unsigned
    /// @param index index of the entry in the table
    /// @param entryAddress physical address of the entry, unsigned
    /// @param raw the entry as it stands in memory
    /// @param fields the entry decoded, in the manual's field names
    public record Step(
            String levelName,
            long tableAddress,
            int index,
            long entryAddress,
            long raw,
            String fields) {
        /// `level 1[19] at 0x8002b098 = 0x000000002000a801: V=1 PPN=0x8002a000`.
        @Override
        public String toString() {
            return "%s[%d] at 0x%x = 0x%016x: %s"
                    .formatted(levelName, index, entryAddress, raw, fields);
        }
    }
}
