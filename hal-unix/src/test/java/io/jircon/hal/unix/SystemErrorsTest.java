package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What users read when the kernel refuses a call, told by a real seccomp filter.
class SystemErrorsTest {
    private static final String NO_ROOM =
            " = ENOMEM; the host has no memory, no address space or no mapping left: look at"
                    + " vm.max_map_count, ulimit -v and the memory limit of the container";
    private static final String NOT_NOW =
            " = EAGAIN; the host cannot do it now: try again; too much may be locked, look at"
                    + " ulimit -l";
    private static final String NOT_OFFERED =
            " = ENOSYS; the kernel or its seccomp filter does not offer process_vm_readv to this"
                    + " process";

    private static String forbidden(String errno, String call) {
        return " = "
                + errno
                + "; the host's policy forbids it: allow "
                + call
                + " in the seccomp profile of the container, or look at SELinux, noexec mounts"
                + " and capabilities";
    }

    /// A line that begins with `changed` would be one too many.
    @Test
    void refusedCallsAreNamedWithTheirErrorAndAdviceAndChangeNothing() throws Exception {
        String noWrite = forbidden("EPERM", "process_vm_writev");
        String noProtect = forbidden("EACCES", "mprotect");
        String noFile = forbidden("EPERM", "memfd_create") + "; or give option directory,";
        String orFile = "; or use unix-file";
        List<String> expected =
                List.of(
                        "store: SYSTEM: process_vm_writev(vaddr=0x100000000000, bytes=16)"
                                + noWrite,
                        "open: NOT_SUPPORTED: process_vm_writev(own memory)" + noWrite + orFile,
                        "reason: process_vm_writev(own memory)" + noWrite + orFile,
                        "load: SYSTEM: process_vm_readv(vaddr=0x100000000000, bytes=16)"
                                + NOT_OFFERED,
                        "fault: SYSTEM: process_vm_readv(vaddr=0x100000002000, bytes=16)"
                                + NOT_OFFERED,
                        "open: NOT_SUPPORTED: process_vm_readv(own memory)" + NOT_OFFERED + orFile,
                        "reason: process_vm_readv(own memory)" + NOT_OFFERED + orFile,
                        "protect: SYSTEM: mprotect(page=0, pages=2)" + noProtect,
                        "open: NOT_SUPPORTED: mprotect(a page of frames)" + noProtect + orFile,
                        "reason: mprotect(a page of frames)" + noProtect + orFile,
                        "map: SYSTEM: mmap(page=2, pages=1 of frames)" + NOT_NOW,
                        "open: SYSTEM: mmap(a page of frames)" + NOT_NOW + orFile,
                        "reason: mmap(a page of frames)" + NOT_NOW + orFile,
                        "unmap: NO_RESOURCES: mmap(page=0, pages=2 of reserve)" + NO_ROOM,
                        "window: NO_RESOURCES: mmap(window of 0x100000 bytes)" + NO_ROOM,
                        "open: NO_RESOURCES: mmap(window of 0x1000 bytes)" + NO_ROOM,
                        "reason: mmap(window of 0x1000 bytes)" + NO_ROOM,
                        "window: SYSTEM: mmap(window of 0x100000 bytes)"
                                + forbidden("EPERM", "mmap"),
                        "open: NOT_SUPPORTED: memfd_create(jircon-frames)"
                                + noFile
                                + " or use unix-file",
                        "reason: memfd_create(jircon-frames)" + noFile + " or use unix-file",
                        "file: NO_MEMORY: sizeBytes=1048576 in directory="
                                + System.getProperty("java.io.tmpdir")
                                + ": the host refuses:"
                                + " java.io.IOException: Map failed; look at vm.max_map_count,"
                                + " ulimit -v, the room of the directory's file system and the"
                                + " seccomp profile of the container",
                        "view: 24301",
                        "left: 0",
                        "descriptors: 0");
        Process child = ChildJvm.start(SystemErrorsMain.class);
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(String.join("\n", expected) + "\n", output);
        assertEquals(0, child.waitFor());
    }
}
