package io.jircon.kobject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.function.Executable;

/// Assertions that these tests share.
final class Expect {
    private Expect() {}

    static ZxException status(ZxStatus expected, Executable call) {
        ZxException thrown = assertThrows(ZxException.class, call);
        assertEquals(expected, thrown.status(), thrown.getMessage());
        return thrown;
    }
}
