package io.jircon.tests.hal;

import io.jircon.hal.unix.MinorFaults;

/// As [UnixMmapHeldConformanceTest], with the first access to each page held as well: nobody who
/// makes accesses may notice. Where the kernel does not hold those, this is the same once more.
final class UnixMmapMinorConformanceTest extends UnixMmapHeldConformanceTest {
    @Override
    String faults() {
        return MinorFaults.OPTION;
    }
}
