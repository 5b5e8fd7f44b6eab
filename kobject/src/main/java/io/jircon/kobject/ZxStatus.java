package io.jircon.kobject;

import org.jspecify.annotations.Nullable;

/// The result of a kernel operation, with the exact number it has in Zircon (clause K-153).
///
/// INVALID_ARGS means that a call could never be right; OUT_OF_RANGE that it is wrong now or for
/// this object.
public enum ZxStatus {
    /// The operation succeeded.
    OK(0),
    /// The kernel found itself in a state it cannot explain.
    INTERNAL(-1),
    /// Operation does not exist for this object/option.
    NOT_SUPPORTED(-2),
    /// Some non-memory resource ran out.
    NO_RESOURCES(-3),
    /// Memory (frames, heap) ran out.
    NO_MEMORY(-4),
    /// Internal: interrupted, vDSO restarts the call; users never see it.
    INTERNAL_INTR_RETRY(-6),
    /// Argument malformed regardless of state.
    INVALID_ARGS(-10),
    /// Number is not a live handle here.
    BAD_HANDLE(-11),
    /// Handle is live but of another type.
    WRONG_TYPE(-12),
    /// No such syscall / called from a wrong place.
    BAD_SYSCALL(-13),
    /// Value outside what is allowed at present.
    OUT_OF_RANGE(-14),
    /// Result does not fit.
    BUFFER_TOO_SMALL(-15),
    /// Object not in a state where this makes sense.
    BAD_STATE(-20),
    /// Deadline reached first.
    TIMED_OUT(-21),
    /// Nothing/no room now; wait on a signal and retry.
    SHOULD_WAIT(-22),
    /// The wait was ended by a close.
    CANCELED(-23),
    /// Other end is gone.
    PEER_CLOSED(-24),
    /// The named thing is absent.
    NOT_FOUND(-25),
    /// The named thing is already there.
    ALREADY_EXISTS(-26),
    /// Already attached/owned.
    ALREADY_BOUND(-27),
    /// Subject exists but cannot serve now.
    UNAVAILABLE(-28),
    /// Right or policy missing.
    ACCESS_DENIED(-30),
    /// Unspecified I/O failure.
    IO(-40),
    /// Device refused.
    IO_REFUSED(-41),
    /// Data corrupted (checksum).
    IO_DATA_INTEGRITY(-42),
    /// Data lost.
    IO_DATA_LOSS(-43),
    /// Device removed/absent.
    IO_NOT_PRESENT(-44),
    /// Device produced too much.
    IO_OVERRUN(-45),
    /// Device too late.
    IO_MISSED_DEADLINE(-46),
    /// Device says request is invalid.
    IO_INVALID(-47),
    /// Path malformed.
    BAD_PATH(-50),
    /// Expected a directory.
    NOT_DIR(-51),
    /// Expected a file.
    NOT_FILE(-52),
    /// File limit exceeded.
    FILE_BIG(-53),
    /// Volume full.
    NO_SPACE(-54),
    /// Directory not empty.
    NOT_EMPTY(-55),
    /// Callback: stop, not an error.
    STOP(-60),
    /// Callback: continue.
    NEXT(-61),
    /// Callback: will complete later.
    ASYNC(-62),
    /// Network: protocol.
    PROTOCOL_NOT_SUPPORTED(-70),
    /// Network: no route.
    ADDRESS_UNREACHABLE(-71),
    /// Network: taken.
    ADDRESS_IN_USE(-72),
    /// Network: no connection.
    NOT_CONNECTED(-73),
    /// Network: refused.
    CONNECTION_REFUSED(-74),
    /// Network: reset.
    CONNECTION_RESET(-75),
    /// Network: aborted.
    CONNECTION_ABORTED(-76),
    /// Internal: thread is dying; users never see it.
    INTERNAL_INTR_KILLED(-502);

    private final int value;

    ZxStatus(int value) {
        this.value = value;
    }

    /// The number that stands for this status at the system-call boundary.
    ///
    /// @return 0 for OK, negative for an error
    public int value() {
        return value;
    }

    /// The status with a number.
    ///
    /// @param value the number
    /// @return the status, or null when no status has it; the numbering has gaps
    public static @Nullable ZxStatus ofValue(int value) {
        for (ZxStatus status : values()) {
            if (status.value == value) {
                return status;
            }
        }
        return null;
    }
}
