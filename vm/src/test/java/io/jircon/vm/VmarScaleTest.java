package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.RW;
import static io.jircon.vm.VmarFixture.mapAt;
import static io.jircon.vm.VmarFixture.refuses;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.kobject.ObjectType;
import io.jircon.kobject.ZxStatus;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What must hold at any size.
class VmarScaleTest {
    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    @Test
    @Tag("V-246")
    @Tag("V-258")
    @Tag("zcore-V1")
    @Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void aMillionOnePageRegionsFillTheirParent() {
        int count = 1_000_000;
        VmAddressRegion region = vm.region(count);
        for (int i = 0; i < count; i++) {
            region.allocate(VmarFlags.CAN_MAP_READ, 0, PAGE);
        }
        refuses(
                ZxStatus.NO_RESOURCES,
                "V-72",
                () -> region.allocate(VmarFlags.CAN_MAP_READ, 0, PAGE));
        assertEquals(count + 2, vm.machine.kernel().liveObjects(ObjectType.VMAR));
        region.unmap(region.baseAddress() + 123_456 * PAGE, PAGE);
        assertEquals(
                region.baseAddress() + 123_456 * PAGE,
                region.allocate(VmarFlags.CAN_MAP_READ, 0, PAGE).baseAddress());
        region.destroy();
        assertEquals(1, vm.machine.kernel().liveObjects(ObjectType.VMAR));
    }

    /// A search from the first child on would take many minutes.
    @Test
    @Tag("V-259")
    @Tag("V-250")
    @Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void findingOneOfManyMappingsTakesFewSteps() {
        int count = 300_000;
        VmAddressRegion region = vm.region(2L * count);
        VmObject vmo = vm.vmo(1);
        for (int i = 0; i < count; i++) {
            mapAt(region, 2L * i, R, vmo, 0, 1);
        }
        long base = region.baseAddress();
        for (int i = 0; i < count; i++) {
            VmMapping found = Objects.requireNonNull(vm.root.findMapping(base + 2 * i * PAGE));
            assertEquals(base + 2 * i * PAGE, found.baseAddress());
        }
        assertEquals(ZxStatus.OK, vm.read(base + (2L * count - 2) * PAGE));
        region.destroy();
    }

    @Test
    @Tag("V-159")
    void permissionsThatAlternateByPageCostByRange() {
        int pages = 20_000;
        VmAddressRegion region = vm.region(pages);
        mapAt(region, 0, RW, vm.vmo(pages), 0, pages);
        MappingNode mapping =
                (MappingNode) Objects.requireNonNull(region.findMapping(region.baseAddress()));
        for (int page = 0; page < pages; page += 2) {
            region.protect(R, region.baseAddress() + page * PAGE, PAGE);
        }
        assertEquals(pages, mapping.permissions().count());
        region.protect(R, region.baseAddress(), pages * PAGE);
        assertEquals(1, mapping.permissions().count());
    }

    @Test
    @Tag("V-241")
    @Tag("V-244")
    void randomPlacementSucceedsToTheLastPage() {
        try (Machine random = Machine.builder(new FakeHal()).seed(5).boot()) {
            VmAddressRegion root = VmAddressRegion.newRoot(random);
            int pages = 5_000;
            VmAddressRegion region = root.allocate(VmarFixture.RWX_SPECIFIC, 0, pages * PAGE);
            for (int i = 0; i < pages; i++) {
                region.allocate(VmarFlags.NONE, 0, PAGE);
            }
            refuses(ZxStatus.NO_RESOURCES, "V-72", () -> region.allocate(VmarFlags.NONE, 0, PAGE));
            root.checkInvariants();
            root.destroyAddressSpace();
        }
    }
}
