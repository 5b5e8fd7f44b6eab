package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.UnusedTables;
import io.jircon.kobject.ZxStatus;
import java.util.BitSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Machines whose processor marks in an entry that its page was used. The others have the mark set
/// from the start, so that there is no fault for it anywhere.
class AccessedFlagTest {
    private static final long PAGE = VmarFixture.PAGE;

    @ParameterizedTest(name = "{0} with {1}={2}")
    @CsvSource({"x86_64, ad, on", "aarch64, ad, hardware", "riscv64, ad, svadu"})
    @Tag("V-207")
    @Tag("aspace_unittest.cc:vmaspace_usercopy_accessed_fault_test")
    void anAccessSetsTheFlagWithoutTroublingTheAddressSpace(
            String hal, String option, String value) {
        HalConfig config = HalConfig.DEFAULT.withMemoryBytes(16L << 20).withOption(option, value);
        try (var vm = new VmarFixture(Hals.create(hal, config));
                var memory = new UserMemory(vm.root, vm.hal.newMmu())) {
            VmObject vmo = vm.vmo(4);
            long at = vm.root.map(VmarFixture.RW, 0, vmo, 0, 4 * PAGE);
            for (int page = 0; page < 4; page++) {
                memory.writeByte(at + page * PAGE, (byte) page);
            }
            PageTableTrait table = vm.root.pageTable();
            assertEquals("{0, 1, 2, 3}", harvest(table, at));
            long frame = table.translate(at + PAGE);
            long faults = memory.faultsResolved();
            assertEquals(1, memory.readByte(at + PAGE));
            memory.writeByte(at + 3 * PAGE, (byte) 7);
            assertEquals("{1, 3}", harvest(table, at));
            assertEquals("{}", harvest(table, at));
            assertEquals(frame, table.translate(at + PAGE));
            assertEquals(faults, memory.faultsResolved());
            assertEquals("1111", vm.entries(at, 4));
            assertEquals(7, vmo.read(3 * PAGE, 1)[0]);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"x86_64", "aarch64", "riscv64"})
    @Tag("V-289")
    void whereAccessesAreNotNotedAskingForThemIsRefusedAfterTheArguments(String hal) {
        try (var vm = new VmarFixture(Hals.create(hal, HalConfig.DEFAULT))) {
            long at = vm.root.baseAddress();
            AccessedPages nobody =
                    (vaddr, vmo, offset, count) -> {
                        throw new AssertionError("nothing was to be told");
                    };
            VmarFixture.refuses(
                    ZxStatus.INVALID_ARGS,
                    "V-289",
                    () -> vm.root.harvestAccessed(UnusedTables.FREE, at, 0, nobody));
            VmarFixture.refuses(
                    ZxStatus.NOT_SUPPORTED,
                    "V-289",
                    () -> vm.root.harvestAccessed(UnusedTables.FREE, at, PAGE, nobody));
        }
    }

    private static String harvest(PageTableTrait table, long vaddr) {
        var pages = new BitSet();
        table.harvestAccessed(vaddr, 4 * PAGE, UnusedTables.KEEP, pages);
        return pages.toString();
    }
}
