package io.jircon.vm;

import io.jircon.hal.MmuFlags;
import io.jircon.hal.PagingException;

/// The change of permissions of a part of one mapping, in two halves: what the machine may refuse,
/// and what cannot fail. So a change of several mappings does all first halves before any second.
///
/// Only with the address space's lock held for writing. Between the halves the mapping is frozen:
/// nobody else makes entries for it.
final class PermissionChange {
    private final MappingNode mapping;
    private final long from;
    private final long to;
    private final MmuFlags wanted;

    /// Says what is to be changed; changes nothing.
    ///
    /// @param from first byte, in the mapping, page aligned
    /// @param to last byte, in the mapping, inclusive
    PermissionChange(MappingNode mapping, long from, long to, MmuFlags wanted) {
        this.mapping = mapping;
        this.from = from;
        this.to = to;
        this.wanted = wanted;
    }

    MappingNode mapping() {
        return mapping;
    }

    /// First half: takes from the entries what they may not allow afterwards, and sees to it that
    /// none are made before [#finish()] or [#cancel()].
    ///
    /// @throws PagingException when the machine refuses; the mapping is as before, but entries may
    ///   allow less than they did, or be gone, until they are faulted in
    void begin() {
        mapping.vmo().lock().lock();
        try {
            mapping.freezeLocked();
            lowerEntries();
        } catch (PagingException e) {
            mapping.thawLocked();
            throw e;
        } finally {
            mapping.vmo().lock().unlock();
        }
    }

    private void lowerEntries() {
        PermissionRanges permissions = mapping.permissions();
        for (long at = from; ; ) {
            long end = VmoMath.min(permissions.lastOfRun(at), to);
            lowerRun(at, end, permissions.at(at));
            if (end == to) {
                return;
            }
            at = end + 1;
        }
    }

    /// Entries lose WRITE by every change: the next write has to pass the memory object.
    private void lowerRun(long first, long last, MmuFlags had) {
        if (had.equals(wanted) || (wanted.contains(had) && !had.canWrite())) {
            return;
        }
        MmuFlags kept = MappingNode.readOnly(MmuFlags.of(had.bits() & wanted.bits()));
        if (!kept.isNoAccess()) {
            try {
                mapping.table().protectRange(first, last - first + 1, mapping.entryFlags(kept));
                return;
            } catch (PagingException noRoomToSplit) {
                // No entries do as well: they fault back in.
            }
        }
        mapping.removeEntries(first, last);
    }

    /// Undoes the first half.
    void cancel() {
        mapping.thaw();
    }

    /// Second half: the part has the permissions from now on (clauses V-159 to V-163). Cannot fail.
    void finish() {
        mapping.vmo().lock().lock();
        try {
            PermissionRanges permissions = mapping.permissions();
            MmuFlags entries = MappingNode.readOnly(wanted);
            boolean raises = !permissions.allContain(from, to, entries);
            permissions.set(from, to, wanted);
            if (raises) {
                raiseEntries(entries);
            }
            mapping.thawLocked();
        } finally {
            mapping.vmo().lock().unlock();
        }
    }

    private void raiseEntries(MmuFlags allowed) {
        try {
            mapping.table().protectRange(from, to - from + 1, mapping.entryFlags(allowed));
        } catch (PagingException e) {
            // They allow less than they may; the next access that needs more faults.
        }
    }
}
