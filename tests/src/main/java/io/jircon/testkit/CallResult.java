package io.jircon.testkit;

import io.jircon.hal.PagingException;
import io.jircon.kobject.ZxException;
import java.util.function.LongSupplier;

/// What a caller sees of a call, as text: for tools that compare what threads got.
public final class CallResult {
    private CallResult() {}

    /// Makes a call that has a result.
    ///
    /// @param call what to call
    /// @return the result in decimal, or the name of the status or paging error it failed with
    public static String outcome(LongSupplier call) {
        try {
            return Long.toString(call.getAsLong());
        } catch (ZxException e) {
            return e.status().name();
        } catch (PagingException e) {
            return e.error().name();
        }
    }

    /// Makes a call of which only matters whether it worked.
    ///
    /// @param call what to call
    /// @return `OK`, or the name of the status or paging error it failed with
    public static String status(Runnable call) {
        try {
            call.run();
            return "OK";
        } catch (ZxException e) {
            return e.status().name();
        } catch (PagingException e) {
            return e.error().name();
        }
    }
}
