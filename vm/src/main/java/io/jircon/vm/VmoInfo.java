package io.jircon.vm;

import java.util.Set;

/// What a memory object is and what it costs (clauses O-215 to O-227).
///
/// @param koid its number
/// @param name its name
/// @param sizeBytes its size
/// @param parentKoid koid of the object it was made from, or of that one's parent when it is gone;
///   0 for a root
/// @param childCount direct children of every type
/// @param mappingCount mappings of this object
/// @param shareCount address spaces that map it; 1 if it is mapped less than twice
/// @param flags what kind of object it is
/// @param cachePolicy how processors cache it
/// @param committedBytes bytes of the pages it has, shared ones in full; 0 for slices and
///   references
/// @param privateBytes bytes of the pages that no other object has
/// @param scaledBytes each shared page divided by those who share it, whole bytes
/// @param fractionalScaledBytes what is left of a byte, one whole byte being 2^63
/// @param metadataBytes what its page list takes; 0 until the first page
public record VmoInfo(
        long koid,
        String name,
        long sizeBytes,
        long parentKoid,
        int childCount,
        int mappingCount,
        int shareCount,
        Set<Flag> flags,
        CachePolicy cachePolicy,
        long committedBytes,
        long privateBytes,
        long scaledBytes,
        long fractionalScaledBytes,
        long metadataBytes) {

    /// Copies the flags.
    public VmoInfo {
        flags = Set.copyOf(flags);
    }

    /// What kind of object it is (clause O-215).
    public enum Flag {
        /// It has pages; without this it is a physical range.
        PAGED(1),
        /// Its size can be changed.
        RESIZABLE(1 << 1),
        /// It was made as a snapshot.
        IS_COW_CLONE(1 << 2),
        /// Its pages may come from a pager (clause O-216).
        PAGER_BACKED(1 << 5),
        /// Its frames are physically consecutive.
        CONTIGUOUS(1 << 6),
        /// Its pages may be taken back while it is unlocked.
        DISCARDABLE(1 << 7),
        /// It was made as a snapshot that nobody may write.
        IMMUTABLE(1 << 8);

        private final int bit;

        Flag(int bit) {
            this.bit = bit;
        }

        /// The flag's bit in Zircon's interface.
        ///
        /// @return a power of two
        public int bit() {
            return bit;
        }
    }
}
