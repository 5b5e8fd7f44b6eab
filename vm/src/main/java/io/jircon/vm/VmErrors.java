package io.jircon.vm;

import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;

/// Makes the failures of the region operations.
final class VmErrors {
    private VmErrors() {}

    /// An argument that could never be right.
    static ZxException invalidArgs(String clause, String reason) {
        return new ZxException(ZxStatus.INVALID_ARGS, clause, reason);
    }

    static ZxException accessDenied(String clause, String reason) {
        return new ZxException(ZxStatus.ACCESS_DENIED, clause, reason);
    }

    static ZxException badState(String clause, String reason) {
        return new ZxException(ZxStatus.BAD_STATE, clause, reason);
    }

    static ZxException outOfRange(String clause, String reason) {
        return new ZxException(ZxStatus.OUT_OF_RANGE, clause, reason);
    }

    static ZxException notFound(String clause, String reason) {
        return new ZxException(ZxStatus.NOT_FOUND, clause, reason);
    }

    static ZxException notSupported(String clause, String reason) {
        return new ZxException(ZxStatus.NOT_SUPPORTED, clause, reason);
    }

    /// A refusal of the machine, with the status a caller of the kernel gets.
    static ZxException of(PagingException cause, String clause, String reason) {
        return new ZxException(statusOf(cause), clause, reason + ": " + cause.getMessage(), cause);
    }

    /// The status that stands for a refusal of the machine.
    static ZxStatus statusOf(PagingException e) {
        return switch (e.error()) {
            case NO_MEMORY -> ZxStatus.NO_MEMORY;
            case NO_RESOURCES -> ZxStatus.NO_RESOURCES;
            case NOT_SUPPORTED -> ZxStatus.NOT_SUPPORTED;
            case OUT_OF_RANGE -> ZxStatus.OUT_OF_RANGE;
            case BAD_STATE -> ZxStatus.BAD_STATE;
            case SYSTEM -> ZxStatus.IO;
            case NOT_ALIGNED, NOT_MAPPED, ALREADY_MAPPED, MAPPED_TO_HUGE_PAGE, BAD_FRAME ->
                    ZxStatus.INTERNAL;
        };
    }
}
