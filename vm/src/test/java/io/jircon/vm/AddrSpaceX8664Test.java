package io.jircon.vm;

import org.junit.jupiter.api.Nested;

/// Guest-physical address spaces on `x86_64`.
class AddrSpaceX8664Test {
    private static final String HAL = "x86_64";

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
            super(HAL, 46);
        }
    }

    @Nested
    class Failures extends AddrSpaceFailureCases {
        Failures() {
            super(HAL);
        }
    }
}
