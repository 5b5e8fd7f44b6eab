package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.AccessKind;
import io.jircon.hal.MmuFlags;
import io.jircon.vm.BadInputScene.Place;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// No object where one is wanted: the call fails before it changes anything, and no lock is left.
class VmarNullArgumentTest {
    /// What no caller that the compiler checks can pass.
    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
    private static <T> T nothing() {
        return null;
    }

    private static Map<String, Executable> calls(BadInputScene scene) {
        VmAddressRegion region = scene.region;
        VmObject vmo = scene.objects.getFirst();
        long mapped = region.baseAddress() + 4 * PAGE;
        Map<String, Executable> calls = new LinkedHashMap<>();
        calls.put("allocate", () -> region.allocate(nothing(), 0, PAGE));
        calls.put("map options", () -> region.map(nothing(), 0, vmo, 0, PAGE));
        calls.put("map vmo", () -> region.map(R, 0, nothing(), 0, PAGE));
        calls.put(
                "map most",
                () -> region.map(R, 0, vmo, 0, PAGE, VmarNullArgumentTest.<MmuFlags>nothing()));
        calls.put("protect", () -> region.protect(nothing(), mapped, PAGE));
        calls.put("opRange", () -> region.opRange(nothing(), mapped, PAGE));
        calls.put("opRange of a gap", () -> region.opRange(nothing(), region.baseAddress(), PAGE));
        calls.put("opRange of nothing", () -> region.opRange(nothing(), mapped, 0));
        calls.put("priority", () -> region.setMemoryPriority(nothing()));
        calls.put(
                "fault",
                () -> region.handlePageFault(mapped, VmarNullArgumentTest.<AccessKind>nothing()));
        calls.put("readMemory", () -> region.readMemory(mapped, nothing()));
        calls.put("writeMemory", () -> region.writeMemory(mapped, nothing()));
        calls.put("read", () -> vmo.read(0, VmarNullArgumentTest.<MemorySegment>nothing()));
        calls.put("write", () -> vmo.write(0, VmarNullArgumentTest.<MemorySegment>nothing()));
        calls.put("child", () -> vmo.createChild(nothing(), 0, PAGE));
        calls.put("policy", () -> vmo.setCachePolicy(nothing()));
        calls.put("hint", () -> vmo.opHint(nothing(), 0, PAGE));
        return calls;
    }

    @Test
    void nothingInPlaceOfAnObjectChangesNothing() {
        try (var scene = new BadInputScene(Place.TOP_OF_USER)) {
            String before = scene.state();
            calls(scene)
                    .forEach((name, call) -> {
                        assertThrows(NullPointerException.class, call, name);
                        assertEquals(before, scene.state(), name);
                    });
        }
    }
}
