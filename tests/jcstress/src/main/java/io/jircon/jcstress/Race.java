package io.jircon.jcstress;

import java.util.function.Supplier;

/// An act on one side, and on the other somebody who asks without a pause until the answer changes:
/// so that in every run, not in one of thousands, questions are under way while it happens.
final class Race {
    private volatile boolean over;

    /// Acts.
    void act(Runnable act) {
        try {
            act.run();
        } finally {
            over = true;
        }
    }

    /// Whether the act is done.
    boolean isOver() {
        return over;
    }

    /// Asks until the answer is not the one from before the act, or was asked for after the act.
    ///
    /// @return the last answer
    <T> T firstOtherThan(T before, Supplier<T> question) {
        while (true) {
            boolean last = over;
            T answer = question.get();
            if (last || !answer.equals(before)) {
                return answer;
            }
        }
    }
}
