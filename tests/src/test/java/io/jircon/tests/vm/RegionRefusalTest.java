package io.jircon.tests.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.unix.ChildJvm;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What users of regions are told when the kernel refuses a call, by a real seccomp filter in a
/// child.
class RegionRefusalTest {
    /// A line that begins with `changed` would be one too many.
    @ParameterizedTest(name = "faults={0}")
    @ValueSource(strings = {"efault", "auto"})
    void refusedCallsComeOutWithTheirStatusAndReasonAndChangeNothing(String faults)
            throws Exception {
        String noRoom =
                " = ENOMEM; the host has no memory, no address space or no mapping left: look at"
                        + " vm.max_map_count, ulimit -v and the memory limit of the container";
        List<String> expected =
                List.of(
                        "write: SYSTEM: process_vm_writev(vaddr=0x100829ef9000, bytes=1) = EPERM;"
                                + " the host's policy forbids it: allow process_vm_writev in the"
                                + " seccomp profile of the container, or look at SELinux, noexec"
                                + " mounts and capabilities",
                        // Its entries were dropped instead and fault back in, as read-only ones.
                        "protect: OK",
                        "map: IO (-40, V-104): MAP_RANGE of mapping [0x100a44071000,"
                                + " 0x100a44078fff] of vmo 1025: SYSTEM: mmap(page=10764401,"
                                + " pages=4 of frames) = EAGAIN; the host cannot do it now: try"
                                + " again; too much may be locked, look at ulimit -l",
                        "fault: IO",
                        "unmap: NO_RESOURCES (-3, V-131): range [0x100829efb000, 0x100829efcfff]:"
                                + " NO_RESOURCES: mmap(page=8560378, pages=3 of reserve)"
                                + noRoom,
                        "destroy: NO_RESOURCES (-3, V-131): range [0x100000000000,"
                                + " 0x100fffffffff]: NO_RESOURCES: mmap(page=8560378, pages=3 of"
                                + " reserve)"
                                + noRoom);
        Process child =
                ChildJvm.start(
                        List.of("-Xmx256m", "-ea"),
                        System.getProperty("java.class.path"),
                        RegionRefusalMain.class,
                        faults);
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(String.join("\n", expected) + "\n", output);
        assertEquals(0, child.waitFor());
    }
}
