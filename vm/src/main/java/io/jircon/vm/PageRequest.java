package io.jircon.vm;

/// What a pager is told about one of its memory objects (clause O-272).
///
/// @param key which object, as its maker called it; unsigned
/// @param command what is asked
/// @param offset first byte in the object, page aligned; 0 with COMPLETE
/// @param length how many bytes, in whole pages; 0 with COMPLETE
public record PageRequest(long key, Command command, long offset, long length) {
    /// What is asked of a pager.
    public enum Command {
        /// Somebody needs pages that the object has not: [Pager#supplyPages] or FAIL.
        READ(0),
        /// Nothing more will come for the object: it was detached, or is gone.
        COMPLETE(1),
        /// Somebody wants to write to pages that are clean: DIRTY or FAIL.
        DIRTY(2);

        private final int value;

        Command(int value) {
            this.value = value;
        }

        /// The command's number in Zircon's interface.
        ///
        /// @return 0 to 2
        public int value() {
            return value;
        }
    }
}
