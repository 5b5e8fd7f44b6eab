package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LazyMemoryTest {
    private static final long SIZE = 64L << 30;

    @TempDir Path directory;

    @Test
    void hugeMemoryIsZeroAndWritableAtBothEnds() {
        try (LazyMemory memory = LazyMemory.reserve(SIZE)) {
            MemorySegment segment = memory.segment();
            assertEquals(SIZE, segment.byteSize());
            assertEquals(0, segment.get(ValueLayout.JAVA_LONG, SIZE - 8));
            segment.set(ValueLayout.JAVA_LONG, 0, 1);
            segment.set(ValueLayout.JAVA_LONG, SIZE - 8, 2);
            assertEquals(1, segment.get(ValueLayout.JAVA_LONG, 0));
            assertEquals(2, segment.get(ValueLayout.JAVA_LONG, SIZE - 8));
        }
    }

    @Test
    void leavesNoFileBehind() throws IOException {
        LazyMemory memory = LazyMemory.reserve(1 << 20, directory);
        memory.segment().fill((byte) 1);
        memory.close();
        try (var files = Files.list(directory)) {
            assertEquals(0, files.count());
        }
    }

    @Test
    void closedMemoryIsGoneAndClosesTwice() {
        LazyMemory memory = LazyMemory.reserve(4096);
        MemorySegment segment = memory.segment();
        memory.close();
        memory.close();
        assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
    }

    @Test
    void refusalNamesSizeAndDirectory() {
        Path missing = directory.resolve("missing");
        var thrown = assertThrows(PagingException.class, () -> LazyMemory.reserve(4096, missing));
        assertEquals(PagingError.NO_MEMORY, thrown.error());
        assertTrue(
                String.valueOf(thrown.getMessage())
                        .contains("sizeBytes=4096 in directory=" + missing));
        assertThrows(IllegalArgumentException.class, () -> LazyMemory.reserve(0));
    }

    @Test
    void aSizeBeyondTheHostIsNoMemory() {
        var thrown =
                assertThrows(PagingException.class, () -> LazyMemory.reserve(1L << 60, directory));
        assertEquals(PagingError.NO_MEMORY, thrown.error());
    }
}
