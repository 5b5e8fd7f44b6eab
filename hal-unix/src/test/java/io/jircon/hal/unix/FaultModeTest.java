package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.AccessKind;
import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FaultCause;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.hal.PageFault;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What becomes of option `faults` on hosts that refuse a part of `userfaultfd`.
class FaultModeTest {
    private static final long PAGE = PageSize.BASE_BYTES;

    /// A host that refuses what it is told to.
    private static final class OtherHost extends FaultCalls {
        int callErrno;
        int deviceErrno;
        int eventErrno;
        int epollErrno;
        int watchErrno;
        int watchedBefore;
        long refusedFeatures;
        long refusedMode;
        long refusedContinue;

        OtherHost() {
            super(Posix.get());
        }

        @Override
        int userfaultfd(CallScratch scratch) {
            return callErrno == 0 ? super.userfaultfd(scratch) : -callErrno;
        }

        @Override
        int userfaultfdOfDevice(CallScratch scratch) {
            return deviceErrno == 0 ? super.userfaultfdOfDevice(scratch) : -deviceErrno;
        }

        @Override
        int eventfd(CallScratch scratch) {
            return eventErrno == 0 ? super.eventfd(scratch) : -eventErrno;
        }

        @Override
        int epoll(CallScratch scratch) {
            return epollErrno == 0 ? super.epoll(scratch) : -epollErrno;
        }

        @Override
        int watch(CallScratch scratch, int epoll, int descriptor, int events) {
            return watchErrno != 0 && watchedBefore-- == 0
                    ? -watchErrno
                    : super.watch(scratch, epoll, descriptor, events);
        }

        @Override
        int ioctl(CallScratch scratch, int descriptor, long request, long... words) {
            boolean refused =
                    (request == IOCTL_API && (words[1] & refusedFeatures) != 0)
                            || (request == IOCTL_REGISTER && words[2] == refusedMode)
                            || (request == IOCTL_CONTINUE && (words[2] & refusedContinue) != 0);
            return refused ? -Errno.EINVAL : super.ioctl(scratch, descriptor, request, words);
        }
    }

    private final OtherHost host = new OtherHost();

    private UnixMmapHal open(String faults) {
        return UnixMmapHal.open(
                Posix.get(),
                host,
                HalConfig.DEFAULT.withMemoryBytes(1L << 20).withOption("faults", faults));
    }

    private void assertRefused(PagingError error, String message) {
        long before = HostMaps.descriptors();
        var thrown = assertThrows(PagingException.class, () -> open("userfaultfd"));
        assertEquals(error, thrown.error());
        assertEquals(
                error + ": option faults=userfaultfd: " + message + "; or take faults=efault",
                thrown.getMessage());
        try (UnixMmapHal hal = open("auto")) {
            assertEquals("efault: " + message, hal.faults());
            assertFaults(hal);
        }
        assertEquals(before, HostMaps.descriptors());
    }

    /// Nothing is held, and accesses end in their faults.
    private static void assertFaults(UnixMmapHal hal) {
        try (var table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            table.setFaultHandler((vaddr, access) -> {
                throw new AssertionError("nothing is held");
            });
            mmu.activate(table);
            long vaddr = table.firstAddress();
            MemorySegment word = MemorySegment.ofArray(new byte[8]);
            assertEquals(0, mmu.load(vaddr, word, 0, 8));
            assertEquals(
                    new PageFault(vaddr, AccessKind.READ, FaultCause.NOT_PRESENT), mmu.fault());
        }
    }

    @Test
    void efaultAsksTheHostNothing() {
        host.callErrno = Errno.EPERM;
        try (UnixMmapHal hal = open("efault")) {
            assertEquals("efault: option faults=efault", hal.faults());
            assertFaults(hal);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 13, EPERM, EACCES", "38, 2, ENOSYS, ENOENT"})
    void userWithoutTheRightIsToldWhatToDo(int call, int device, String callName, String name) {
        host.callErrno = call;
        host.deviceErrno = device;
        assertRefused(
                PagingError.NOT_SUPPORTED,
                "userfaultfd = "
                        + callName
                        + ", open(/dev/userfaultfd) = "
                        + name
                        + "; run as root or with CAP_SYS_PTRACE, or give this user access to"
                        + " /dev/userfaultfd, or sysctl -w vm.unprivileged_userfaultfd=1; in a"
                        + " container allow the call in the seccomp profile");
    }

    @Test
    void kernelThatDoesNotNameThreadsIsNoUse() {
        Userfaultfd.open(Posix.get(), HalConfig.DEFAULT).close();
        host.refusedFeatures = 1 << 8;
        assertRefused(
                PagingError.NOT_SUPPORTED,
                "ioctl(userfaultfd, UFFDIO_API, features=0x100) = EINVAL; the kernel does not say"
                        + " which thread is held, Linux 4.14 does");
    }

    @Test
    void processWithoutDescriptorsIsTold() {
        Userfaultfd.open(Posix.get(), HalConfig.DEFAULT).close();
        host.eventErrno = Errno.EMFILE;
        assertRefused(
                PagingError.NO_RESOURCES,
                "eventfd(0, EFD_CLOEXEC) = EMFILE; no file descriptor is left: look at ulimit -n"
                        + " and fs.file-max");
        host.eventErrno = 0;
        host.epollErrno = Errno.ENFILE;
        assertRefused(
                PagingError.NO_RESOURCES,
                "epoll_create1(EPOLL_CLOEXEC) = ENFILE; no file descriptor is left: look at"
                        + " ulimit -n and fs.file-max");
        host.callErrno = Errno.EMFILE;
        host.deviceErrno = Errno.EMFILE;
        assertRefused(
                PagingError.NO_RESOURCES,
                "userfaultfd(O_CLOEXEC | O_NONBLOCK) = EMFILE; no file descriptor is left: look at"
                        + " ulimit -n and fs.file-max");
    }

    /// Each user may have epoll watch so many descriptors (fs.epoll.max_user_watches).
    @ParameterizedTest(name = "watchedBefore={0}")
    @ValueSource(ints = {0, 1})
    void hostThatDoesNotWatchDescriptorsIsTold(int watchedBefore) {
        Userfaultfd.open(Posix.get(), HalConfig.DEFAULT).close();
        long before = HostMaps.descriptors();
        host.watchErrno = Errno.ENOSPC;
        host.watchedBefore = watchedBefore;
        var thrown = assertThrows(PagingException.class, () -> open("userfaultfd"));
        assertEquals(
                "NO_RESOURCES: option faults=userfaultfd: epoll_ctl(EPOLL_CTL_ADD) = ENOSPC;"
                        + " the user has as many descriptors watched as he may: look at"
                        + " fs.epoll.max_user_watches; or take faults=efault",
                thrown.getMessage());
        assertEquals(before, HostMaps.descriptors());
    }

    @Test
    void deviceServesWhereTheCallDoesNot() {
        Userfaultfd.open(Posix.get(), HalConfig.DEFAULT).close();
        host.callErrno = Errno.EPERM;
        try (UnixMmapHal hal = open("auto")) {
            // Where the device cannot be opened either, the reason is that of the device.
            String expected =
                    java.nio.file.Files.isWritable(java.nio.file.Path.of("/dev/userfaultfd"))
                            ? "userfaultfd: missing and write-protect faults"
                            : "efault: userfaultfd = EPERM, open(/dev/userfaultfd) = ";
            assertEquals(expected, hal.faults().substring(0, expected.length()));
        }
    }

    @Test
    void kernelThatCannotWriteProtectHoldsMissingPagesOnly() {
        Userfaultfd.open(Posix.get(), HalConfig.DEFAULT).close();
        host.refusedFeatures = 1;
        assertHoldsMissingOnly(
                "userfaultfd: missing faults; the kernel cannot write-protect shared memory,"
                        + " Linux 5.19 can");
    }

    @Test
    void framesThatCannotBeWriteProtectedHoldMissingPagesOnly() {
        Userfaultfd.open(Posix.get(), HalConfig.DEFAULT).close();
        host.refusedMode = 2;
        assertHoldsMissingOnly(
                "userfaultfd: missing faults; the frames lie in a file that the host cannot"
                        + " write-protect: UFFDIO_REGISTER = EINVAL");
    }

    private void assertHoldsMissingOnly(String text) {
        try (UnixMmapHal hal = open("userfaultfd");
                var table = hal.newPageTable(AddressSpaceKind.USER);
                Mmu mmu = hal.newMmu()) {
            assertEquals(text, hal.faults());
            table.setFaultHandler((vaddr, access) -> {
                table.map(vaddr, hal.memory().base(), PageSize.SIZE_4K, MmuFlags.R);
                return true;
            });
            mmu.activate(table);
            long vaddr = table.firstAddress() + PAGE;
            MemorySegment word = MemorySegment.ofArray(new byte[8]);
            assertEquals(8, mmu.load(vaddr, word, 0, 8));
            assertEquals(0, mmu.store(vaddr, word, 0, 8));
            assertEquals(
                    new PageFault(vaddr, AccessKind.WRITE, FaultCause.PERMISSION), mmu.fault());
        }
    }

    @ParameterizedTest(name = "features={0} mode={1} continue={2}")
    @CsvSource({
        "1024, 0, 0, 'the kernel cannot hold minor faults of pages that it write-protects,"
                + " Linux 6.4 can'",
        "0, 0, 2, 'the kernel cannot hold minor faults of pages that it write-protects,"
                + " Linux 6.4 can'",
        "0, 6, 0, 'the frames lie in a file that the host cannot write-protect:"
                + " UFFDIO_REGISTER = EINVAL'"
    })
    void hostThatCannotHoldMinorFaultsMakesNoMachineThatDoes(
            long features, long mode, long continued, String reason) {
        Userfaultfd.openMinor(Posix.get(), new FaultCalls(Posix.get()), HalConfig.DEFAULT).close();
        host.refusedFeatures = features;
        host.refusedMode = mode;
        host.refusedContinue = continued;
        long before = HostMaps.descriptors();
        var thrown = assertThrows(PagingException.class, () -> open("minor"));
        assertEquals(
                "NOT_SUPPORTED: option faults=minor: " + reason + "; or take faults=efault",
                thrown.getMessage());
        assertEquals(before, HostMaps.descriptors());
        try (UnixMmapHal hal = open("userfaultfd")) {
            assertEquals("userfaultfd: missing and write-protect faults", hal.faults());
        }
    }

    @Test
    void valueThatIsNoneIsNotSupported() {
        var thrown = assertThrows(PagingException.class, () -> open("maybe"));
        assertEquals(PagingError.NOT_SUPPORTED, thrown.error());
        assertEquals(
                "NOT_SUPPORTED: faults=maybe is none of auto, userfaultfd, minor, efault",
                thrown.getMessage());
    }

    @Test
    void providerSaysWhatAMachineWithoutTheOptionDoes() {
        try (UnixMmapHal hal = UnixMmapHal.open(HalConfig.DEFAULT)) {
            List<String> properties = new UnixMmapProvider().properties();
            assertTrue(properties.contains("page faults: " + hal.faults()), "" + properties);
        }
    }
}
