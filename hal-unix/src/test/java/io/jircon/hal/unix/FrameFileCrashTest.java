package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.Hal;
import io.jircon.hal.PageSize;
import java.io.BufferedReader;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FrameFileCrashTest {
    private static final int LIVES = 3;
    private static final int ROUNDS = 12;

    @TempDir Path directory;

    /// The next child goes on from what the one before it left.
    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {UnixFileHal.NAME, UnixMmapHal.NAME})
    void killedJvmLeavesWhatItFlushedToBeFoundFromTheRoot(String name) throws Exception {
        String file = directory.resolve("frames").toString();
        long said = 0;
        for (int life = 0; life < LIVES; life++) {
            said = killAfter(name, file, said + ROUNDS);
            try (Hal hal = FrameFileCrashMain.open(name, FrameFileCrashMain.config(file))) {
                said = verify(hal, said);
            }
        }
    }

    /// Lets a child work up to a round and kills it in the middle of the next ones.
    ///
    /// @return the last round that it said it had flushed
    private static long killAfter(String name, String file, long wanted) throws Exception {
        long said = 0;
        Process child = ChildJvm.start(FrameFileCrashMain.class, name, file);
        try (BufferedReader output = child.inputReader()) {
            while (said < wanted) {
                String line = output.readLine();
                assertNotNull(line, "the child ended by itself");
                said = Long.parseLong(line);
            }
            // SIGKILL; the handle leaves the output open.
            assertTrue(child.toHandle().destroyForcibly());
            assertEquals(128 + 9, child.waitFor());
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                said = Long.parseLong(line);
            }
        }
        return said;
    }

    /// Finds everything from the root, and nothing else handed out.
    ///
    /// @return the round that is in the file
    private static long verify(Hal hal, long said) {
        FrameFile file = FrameFileCrashMain.fileOf(hal);
        long root = file.root();
        long round = hal.memory().readLong(root);
        assertTrue(round == said || round == said + 1, round + " after " + said);
        long[] frames = FrameFileCrashMain.frames(hal.memory(), root);
        for (long frame : frames) {
            assertTrue(hal.frames().isAllocated(frame), "round " + round);
        }
        for (int page = 1; page < frames.length; page++) {
            for (long at = 0; at < PageSize.BASE_BYTES; at += 8) {
                assertEquals(round ^ frames[page], hal.memory().readLong(frames[page] + at));
            }
        }
        long handedOut = hal.frames().totalFrames() - hal.frames().freeFrames();
        assertEquals(frames.length + hal.memory().readLong(root + 16), handedOut);
        return round;
    }
}
