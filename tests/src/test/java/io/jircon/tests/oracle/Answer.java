package io.jircon.tests.oracle;

/// What an MMU said to a [Probe].
///
/// @param allowed whether the access went through
/// @param hpa host-physical address it led to, or [#UNKNOWN]
/// @param detail the emulator's own words: fault kind, level, memory type
record Answer(boolean allowed, long hpa, String detail) {
    /// The machine let the access through but could not tell where it went.
    static final long UNKNOWN = -1L;

    static Answer ok(long hpa, String detail) {
        return new Answer(true, hpa, detail);
    }

    static Answer fault(String detail) {
        return new Answer(false, UNKNOWN, detail);
    }

    /// Whether two answers agree: in the verdict, and in the address where both know it.
    boolean agreesWith(Answer other) {
        return allowed == other.allowed
                && (!allowed || hpa == other.hpa || hpa == UNKNOWN || other.hpa == UNKNOWN);
    }

    @Override
    public String toString() {
        return allowed
                ? "ok " + (hpa == UNKNOWN ? "-" : Long.toHexString(hpa)) + " " + detail
                : "fault " + detail;
    }
}
