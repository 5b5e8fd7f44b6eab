package io.jircon.tests.lincheck;

import static io.jircon.testkit.CallResult.outcome;
import static io.jircon.testkit.CallResult.status;

import io.jircon.hal.PageSize;
import io.jircon.vm.VmObject;

/// The first byte of each page of a memory object, as operations see it.
final class FirstBytes {
    private FirstBytes() {}

    static String write(VmObject vmo, int page, int value) {
        return status(() -> vmo.write(page * PageSize.BASE_BYTES, new byte[] {(byte) value}));
    }

    static String read(VmObject vmo, int page) {
        return outcome(() -> vmo.read(page * PageSize.BASE_BYTES, 1)[0]);
    }
}
