package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Calls an operation with each bad value of each argument, alone and with each bad value of each
/// other argument, and compares the answer with what the contract's order of checks says.
///
/// What the contract says is a function over unbounded integers ([#u]), so that it cannot share a
/// wrong overflow check with the code.
final class BadInput {
    static final BigInteger PAGE = BigInteger.valueOf(VmoMath.PAGE);
    static final BigInteger TWO_64 = BigInteger.TWO.pow(64);

    /// Values that are bad, or on the edge, wherever a number of bytes is asked for.
    private static final long[] EDGES = {
        0,
        1,
        -1,
        VmoMath.PAGE,
        VmoMath.PAGE - 1,
        VmoMath.PAGE + 1,
        -VmoMath.PAGE,
        1 - VmoMath.PAGE,
        -2 * VmoMath.PAGE,
        Long.MAX_VALUE,
        Long.MAX_VALUE & -VmoMath.PAGE,
        Long.MIN_VALUE,
        1L << 48,
        1L << 43
    };

    /// A refusal as the contract wants it.
    ///
    /// @param mentions what the message must say beside status and clause, as `name=value`
    /// @param leavesPart whether the contract lets a part of the work be done
    record Refusal(ZxStatus status, String clause, List<String> mentions, boolean leavesPart) {
        static Refusal of(ZxStatus status, String clause, String... mentions) {
            return new Refusal(status, clause, List.of(mentions), /* leavesPart= */ false);
        }

        Refusal leavingPart() {
            return new Refusal(status, clause, mentions, /* leavesPart= */ true);
        }
    }

    /// What the operation is called on; whoever makes two gets two that are alike.
    interface Scene extends AutoCloseable {
        /// Everything that could have changed, as text.
        String state();

        /// Takes back the last call, which was good, as far as that is easy.
        void undo();

        @Override
        void close();
    }

    /// What the contract says of a call; null when the call is good.
    @FunctionalInterface
    interface Contract {
        @Nullable Refusal answer(long[] arguments);
    }

    /// One call; a status that is returned counts as one that is thrown.
    @FunctionalInterface
    interface Call<S extends Scene> {
        ZxStatus run(S scene, long[] arguments);
    }

    /// An argument: its name, a good value, and bad and good ones to try.
    record Argument(String name, long good, long... values) {
        /// A number of bytes: all the edges, and some more.
        static Argument bytes(String name, long good, long... more) {
            long[] values = Arrays.copyOf(EDGES, EDGES.length + more.length);
            System.arraycopy(more, 0, values, EDGES.length, more.length);
            return new Argument(name, good, values);
        }
    }

    private BadInput() {}

    /// Runs the sweep.
    ///
    /// @return how many calls were refused
    static <S extends Scene> int sweep(
            Supplier<S> scenes, List<Argument> arguments, Call<S> call, Contract contract) {
        int refused = 0;
        S scene = scenes.get();
        try {
            String before = scene.state();
            for (long[] values : singlesAndPairs(arguments)) {
                Refusal expected = contract.answer(values);
                String what = text(arguments, values);
                check(scene, call, values, expected, what);
                if (expected != null && !expected.leavesPart) {
                    assertEquals(before, scene.state(), what + "changed something");
                    refused++;
                    continue;
                }
                scene.undo();
                if (!scene.state().equals(before)) {
                    scene.close();
                    scene = scenes.get();
                }
            }
        } finally {
            scene.close();
        }
        return refused;
    }

    private static <S extends Scene> void check(
            S scene, Call<S> call, long[] values, @Nullable Refusal expected, String what) {
        String wanted = expected == null ? "OK" : expected.status + " " + expected.clause;
        String got;
        String message = "";
        try {
            ZxStatus status = call.run(scene, values.clone());
            got =
                    status == ZxStatus.OK || expected == null
                            ? "" + status
                            : status + " " + expected.clause;
        } catch (ZxException e) {
            got = e.status() + " " + e.clause();
            message = e.getMessage();
            assertTrue(expected != null, what + " was refused: " + message);
            for (String mention : expected.mentions) {
                assertTrue(
                        Pattern.compile("(?<!\\w)" + Pattern.quote(mention) + "(?!\\w)")
                                .matcher(message)
                                .find(),
                        what + ": the message lacks " + mention + ": " + message);
            }
        }
        assertEquals(wanted, got, what + ": " + message);
    }

    /// All calls with one argument that is not the good one, and all with two.
    private static List<long[]> singlesAndPairs(List<Argument> arguments) {
        List<long[]> all = new ArrayList<>();
        long[] good = arguments.stream().mapToLong(Argument::good).toArray();
        all.add(good);
        for (int i = 0; i < good.length; i++) {
            int first = i;
            each(good, arguments, first, all::add);
            for (int j = i + 1; j < good.length; j++) {
                int second = j;
                each(good, arguments, first, one -> each(one, arguments, second, all::add));
            }
        }
        return all;
    }

    private static void each(
            long[] base, List<Argument> arguments, int index, Consumer<long[]> action) {
        for (long value : arguments.get(index).values) {
            long[] changed = base.clone();
            changed[index] = value;
            action.accept(changed);
        }
    }

    private static String text(List<Argument> arguments, long[] values) {
        var text = new StringBuilder();
        for (int i = 0; i < values.length; i++) {
            text.append(arguments.get(i).name)
                    .append('=')
                    .append(VmoMath.hex(values[i]))
                    .append(' ');
        }
        return text.toString();
    }

    // ---- for contracts

    /// An unsigned word as a number.
    static BigInteger u(long word) {
        BigInteger signed = BigInteger.valueOf(word);
        return word < 0 ? signed.add(TWO_64) : signed;
    }

    static boolean isAligned(BigInteger number) {
        return number.mod(PAGE).signum() == 0;
    }

    /// The next multiple of a page, without wrapping.
    static BigInteger up(BigInteger number) {
        return number.add(PAGE).subtract(BigInteger.ONE).divide(PAGE).multiply(PAGE);
    }

    /// Whether `[start, start + size)` lies in `[outer, outer + outerSize)`.
    static boolean isInside(
            BigInteger start, BigInteger size, BigInteger outer, BigInteger outerSize) {
        return start.compareTo(outer) >= 0 && start.add(size).compareTo(outer.add(outerSize)) <= 0;
    }

    /// How a message names an argument.
    static String named(String name, long value) {
        return name + "=" + VmoMath.hex(value);
    }
}
