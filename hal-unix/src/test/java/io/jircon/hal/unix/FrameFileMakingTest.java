package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.PageSize;
import io.jircon.hal.unix.FrameFileMakingMain.Write;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A JVM that dies while it makes a frame file leaves one that the next one makes anew.
class FrameFileMakingTest {
    private static final int KILLED_BY_SIGSYS = 128 + 31;

    @TempDir Path directory;

    @ParameterizedTest(name = "{0} dies before {2}, {1} opens")
    @CsvSource({
        "unix-file, unix-mmap, MARK",
        "unix-file, unix-mmap, LENGTH",
        "unix-file, unix-mmap, MAP",
        "unix-file, unix-mmap, HEADER",
        "unix-mmap, unix-file, MARK",
        "unix-mmap, unix-file, LENGTH",
        "unix-mmap, unix-file, MAP",
        "unix-mmap, unix-file, HEADER"
    })
    void makingThatWasCutOffIsBegunAnew(String dying, String opening, Write write)
            throws Exception {
        Path file = directory.resolve("frames");
        Process child =
                ChildJvm.start(FrameFileMakingMain.class, dying, file.toString(), write.toString());
        String output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(KILLED_BY_SIGSYS, child.waitFor(), output);

        // Nothing of the dead one's stays, its size included.
        HalConfig config =
                FrameFileMakingMain.config(file.toString())
                        .withMemoryBytes(32 * PageSize.BASE_BYTES);
        try (Hal hal = FrameFileCrashMain.open(opening, config)) {
            assertEquals(1, FrameFileCrashMain.fileOf(hal).generation());
            assertEquals(32, hal.frames().freeFrames());
            long frame = hal.frames().allocate();
            hal.memory().writeLong(frame, 0x5eed);
            FrameFileCrashMain.fileOf(hal).setRoot(frame);
            FrameFileCrashMain.fileOf(hal).flush();
        }
        assertEquals(UnixFileStore.fileBytes(config), Files.size(file));
        try (Hal hal = FrameFileCrashMain.open(dying, config)) {
            assertEquals(0x5eed, hal.memory().readLong(FrameFileCrashMain.fileOf(hal).root()));
        }
    }
}
