package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PhysicalMemoryTest {
    private static final long BASE = 0x8000_0000L;
    private static final int PAGE = (int) PageSize.BASE_BYTES;
    private static final int SIZE = 4 * PAGE;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment segment = arena.allocate(SIZE, PAGE);
    private final PhysicalMemory memory = new PhysicalMemory(segment, BASE);

    @BeforeEach
    void fill() {
        segment.fill((byte) 0xab);
    }

    @AfterEach
    void close() {
        arena.close();
    }

    private long bytesThatAreNotZero(int from, int to) {
        long found = 0;
        for (int i = from; i < to; i++) {
            found += segment.get(ValueLayout.JAVA_BYTE, i) == 0 ? 0 : 1;
        }
        return found;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7, 8, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, SIZE - 5})
    void exactlyTheBytesAskedForBecomeZero(int length) {
        memory.zero(BASE + 5, length);
        assertEquals(5, bytesThatAreNotZero(0, 5));
        assertEquals(0, bytesThatAreNotZero(5, 5 + length));
        assertEquals(SIZE - 5 - length, bytesThatAreNotZero(5 + length, SIZE));
    }

    @ParameterizedTest
    @CsvSource({"-1, 1", "0, -1", "1, 16384", "16384, 1", "16385, 0", "12288, 4097", "0, 16385"})
    void bytesOutsideAreNotZeroed(long offset, long length) {
        assertThrows(IndexOutOfBoundsException.class, () -> memory.zero(BASE + offset, length));
        assertEquals(SIZE, bytesThatAreNotZero(0, SIZE));
    }

    @Test
    void everyKindOfWordIsLittleEndianAndInside() {
        memory.writeLongRelease(BASE + 8, 0x0807_0605_0403_0201L);
        for (int i = 0; i < 8; i++) {
            assertEquals(i + 1, segment.get(ValueLayout.JAVA_BYTE, 8 + i));
        }
        assertEquals(0x0807_0605_0403_0201L, memory.readLong(BASE + 8));
        assertEquals(0x0807_0605_0403_0201L, memory.readLongAcquire(BASE + 8));
        for (long paddr : new long[] {BASE - 8, BASE + SIZE}) {
            assertThrows(IndexOutOfBoundsException.class, () -> memory.writeLongRelease(paddr, 0));
        }
    }
}
