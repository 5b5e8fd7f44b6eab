package io.jircon.vm;

import org.junit.jupiter.api.Nested;

/// Guest-physical address spaces on `riscv64`.
class AddrSpaceRiscv64Test {
    private static final String HAL = "riscv64";

    @Nested
    class Areas extends AddrSpaceAreaCases {
        Areas() {
            super(HAL);
        }
    }

    @Nested
    class Access extends AddrSpaceAccessCases {
        Access() {
            super(HAL);
        }
    }

    @Nested
    class Sets extends AddrSpaceSetCases {
        Sets() {
            super(HAL);
        }
    }

    @Nested
    class BadInput extends AddrSpaceBadInputCases {
        BadInput() {
            super(HAL, 56);
        }
    }

    @Nested
    class Failures extends AddrSpaceFailureCases {
        Failures() {
            super(HAL);
        }
    }
}
