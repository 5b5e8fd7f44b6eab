package io.jircon.kobject;

import java.util.Objects;

/// A kernel operation that failed. The status is the contract; clause and reason are for people.
public final class ZxException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ZxStatus status;
    private final String clause;

    /// Makes a failure.
    ///
    /// @param status any status but OK
    /// @param clause the contract clause that decided, such as `V-71`; empty when none applies
    /// @param reason the argument's name, its value, the rule it broke, and what was in the way
    /// @throws IllegalArgumentException when the status is OK
    public ZxException(ZxStatus status, String clause, String reason) {
        super(text(status, clause, reason));
        this.status = status;
        this.clause = clause;
    }

    /// Makes a failure with a cause.
    ///
    /// @param status any status but OK
    /// @param clause the contract clause that decided, such as `V-71`; empty when none applies
    /// @param reason the argument's name, its value, the rule it broke, and what was in the way
    /// @param cause what failed underneath
    /// @throws IllegalArgumentException when the status is OK
    public ZxException(ZxStatus status, String clause, String reason, Throwable cause) {
        super(text(status, clause, reason), cause);
        this.status = status;
        this.clause = clause;
    }

    /// Makes a failure that names an argument, its value and the rule it broke.
    ///
    /// @param status any status but OK
    /// @param clause the contract clause that decided, such as `V-71`; empty when none applies
    /// @param name the argument's name
    /// @param value its value, as people should read it
    /// @param rule what it broke, so that `name=value rule` reads as a sentence
    /// @return an exception to throw
    /// @throws IllegalArgumentException when the status is OK
    public static ZxException of(
            ZxStatus status, String clause, String name, String value, String rule) {
        return new ZxException(status, clause, name + "=" + value + " " + rule);
    }

    private static String text(ZxStatus status, String clause, String reason) {
        Objects.requireNonNull(reason, "reason");
        if (status == ZxStatus.OK) {
            throw new IllegalArgumentException("status=OK is no failure");
        }
        return status
                + " ("
                + status.value()
                + (clause.isEmpty() ? "" : ", " + clause)
                + "): "
                + reason;
    }

    /// What went wrong.
    ///
    /// @return any status but OK
    public ZxStatus status() {
        return status;
    }

    /// The contract clause that decided.
    ///
    /// @return such as `V-71`, or empty
    public String clause() {
        return clause;
    }
}
