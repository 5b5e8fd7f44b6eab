package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.io.BufferedReader;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnixMmapCrashTest {
    @TempDir Path directory;

    @Test
    void flushedFramesSurviveTheKillingOfTheirJvm() throws Exception {
        Path file = directory.resolve("frames");
        long flushed = 0;
        Process child = ChildJvm.start(CrashMain.class, file.toString());
        try (BufferedReader output = child.inputReader()) {
            while (flushed < 25) {
                String line = output.readLine();
                assertNotNull(line, "the child ended by itself");
                flushed = Long.parseLong(line);
            }
            // SIGKILL, in the middle of mapping or writing; the handle leaves the output open.
            assertTrue(child.toHandle().destroyForcibly());
            assertEquals(128 + 9, child.waitFor());
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                flushed = Long.parseLong(line);
            }
        }
        try (var hal = UnixMmapHal.open(CrashMain.config(file.toString()))) {
            long bytes = CrashMain.PAGES * PageSize.BASE_BYTES;
            for (long at = 0; at < bytes; at += 8) {
                long word = hal.memory().readLong(hal.memory().base() + at);
                // The round after the last flushed one may have begun to be written.
                assertTrue(word == flushed || word == flushed + 1, "at " + at + ": " + word);
            }
            assertEquals(0, hal.memory().readLong(hal.memory().base() + bytes));
        }
    }

    @Test
    void damagedAndForeignFilesAreRefusedWithAReason() throws Exception {
        Path file = directory.resolve("frames");
        UnixMmapHal.open(CrashMain.config(file.toString())).close();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {99}), 17);
        }
        assertRefused(file, "checksum");
        Path foreign = Files.writeString(directory.resolve("letter"), "Dear kernel,");
        assertRefused(foreign, "is not a frame file");
        assertEquals("Dear kernel,", Files.readString(foreign));
    }

    private static void assertRefused(Path file, String reason) {
        long descriptors = HostMaps.descriptors();
        PagingException thrown =
                assertThrows(
                        PagingException.class,
                        () -> UnixMmapHal.open(CrashMain.config(file.toString())));
        assertEquals(PagingError.BAD_STATE, thrown.error());
        assertTrue(thrown.getMessage().contains(reason), thrown.getMessage());
        assertEquals(descriptors, HostMaps.descriptors());
    }
}
