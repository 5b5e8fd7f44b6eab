package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.Hal;
import io.jircon.hal.PagingException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Who may use a frame file that somebody uses: nobody, and those who try take nothing from him.
class FrameFileLockTest {
    private static final String HERE = "is in use by another machine of this process";
    private static final String ELSEWHERE = "is in use by another process";

    @TempDir Path directory;

    private Path file() {
        return directory.resolve("frames");
    }

    private Hal open(String name) {
        return FrameFileLockMain.open(name, file());
    }

    private void assertRefusedHere(String name) {
        long descriptors = HostMaps.descriptors();
        var thrown = assertThrows(PagingException.class, () -> open(name).close());
        assertEquals("BAD_STATE: file=" + file() + " " + HERE, thrown.getMessage());
        assertEquals(descriptors, HostMaps.descriptors());
    }

    /// What another process is told.
    private List<String> elsewhere() throws Exception {
        Process child = ChildJvm.start(FrameFileLockMain.class, file().toString());
        var output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, child.waitFor(), output);
        return output.lines().toList();
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {UnixFileHal.NAME, UnixMmapHal.NAME})
    void machineThatIsRefusedTakesNoLockAway(String first) throws Exception {
        String refused = "BAD_STATE: file=" + file() + " " + ELSEWHERE;
        try (Hal _ = open(first)) {
            for (String second : List.of(UnixFileHal.NAME, UnixMmapHal.NAME)) {
                assertRefusedHere(second);
            }
            Path link = Files.createSymbolicLink(directory.resolve("link"), file());
            var thrown =
                    assertThrows(PagingException.class, () -> FrameFileLockMain.open(first, link));
            assertEquals("BAD_STATE: file=" + link + " " + HERE, thrown.getMessage());
            assertEquals(List.of(refused, refused), elsewhere());
        }
        assertEquals(List.of("opened", "opened"), elsewhere());
        open(first).close();
    }

    /// Closing it would take the lock of a machine away.
    @Test
    void fileThatIsOpenOtherwiseIsRefused() throws Exception {
        open(UnixFileHal.NAME).close();
        try (FileChannel _ = FileChannel.open(file(), StandardOpenOption.READ)) {
            assertRefusedHere(UnixFileHal.NAME);
            assertRefusedHere(UnixMmapHal.NAME);
        }
        open(UnixMmapHal.NAME).close();
    }

    @Test
    void ofMachinesThatOpenAFileAtOnceOneGetsItAndKeepsTheLock() throws Exception {
        int count = 4;
        var barrier = new CyclicBarrier(count);
        try (ExecutorService threads = Executors.newFixedThreadPool(count)) {
            for (int round = 0; round < 50; round++) {
                List<Future<List<Hal>>> tries = new ArrayList<>();
                for (int i = 0; i < count; i++) {
                    String name = i % 2 == 0 ? UnixFileHal.NAME : UnixMmapHal.NAME;
                    Callable<List<Hal>> opening =
                            () -> {
                                barrier.await();
                                try {
                                    return List.of(open(name));
                                } catch (PagingException refused) {
                                    assertEquals(
                                            "BAD_STATE: file=" + file() + " " + HERE,
                                            refused.getMessage());
                                    return List.of();
                                }
                            };
                    tries.add(threads.submit(opening));
                }
                List<Hal> opened = new ArrayList<>();
                for (Future<List<Hal>> each : tries) {
                    opened.addAll(each.get());
                }
                long locks = locks();
                opened.forEach(Hal::close);
                assertEquals(1, opened.size());
                assertEquals(1, locks);
            }
        }
        assertEquals(0, locks());
    }

    /// How many locks the host has on the file.
    private long locks() throws Exception {
        String inode = ":" + Files.getAttribute(file(), "unix:ino") + " ";
        try (var lines = Files.lines(Path.of("/proc/locks"))) {
            return lines.filter(line -> line.contains(inode)).count();
        }
    }
}
