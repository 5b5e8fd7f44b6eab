package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What an act is, apart from the MMU that carries it out; the rest is the kit's.
@Tag("A-156")
class AtomicAccessTest {
    private static final long BASE = 0x1000;

    private final PhysicalMemory memory =
            new PhysicalMemory(Arena.ofAuto().allocate(0x1000, 0x1000), BASE);

    @ParameterizedTest
    @EnumSource(names = {"BYTE", "WORD"})
    void onlyWordsOfFourAndEightBytesAreAtomic(AccessWidth width) {
        var access = new AtomicAccess().store(AccessWidth.DWORD, 1);
        var refusal =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> access.update(AtomicUpdate.ADD, width, 1));
        assertEquals("width=" + width + " is not DWORD or QWORD", refusal.getMessage());
        assertThrows(IllegalArgumentException.class, () -> access.load(width));
        assertThrows(IllegalArgumentException.class, () -> access.store(width, 0));
        assertThrows(IllegalArgumentException.class, () -> access.compareAndExchange(width, 0, 0));
        assertEquals(AccessWidth.DWORD, access.width());
        assertEquals(AccessKind.WRITE, access.kind());
    }

    @Test
    void storeFindsNothing() {
        memory.writeLong(BASE, 77);
        var access = new AtomicAccess();
        memory.atomic(BASE, access);
        assertEquals(77, access.before());
        memory.atomic(BASE, access.store(AccessWidth.DWORD, -1));
        memory.atomic(BASE, access.store(AccessWidth.QWORD, 5));
        assertEquals(77, access.before());
        assertEquals(5, memory.readLong(BASE));
    }

    @Test
    void fourBytesComeBackWithoutTheirSign() {
        memory.writeLong(BASE, -1);
        var access = new AtomicAccess().compareAndExchange(AccessWidth.DWORD, -1, 3);
        memory.atomic(BASE, access);
        assertEquals(0xffff_ffffL, access.before());
        assertEquals(0xffff_ffff_0000_0003L, memory.readLong(BASE));
    }

    @Test
    void alignmentIsThatOfTheWidth() {
        var access = new AtomicAccess().load(AccessWidth.DWORD);
        assertTrue(access.isAligned(4));
        assertFalse(access.isAligned(6));
        access.load(AccessWidth.QWORD);
        assertFalse(access.isAligned(4));
        PagingException refusal =
                assertThrows(PagingException.class, () -> access.checkAligned(0x2004));
        assertEquals(
                "NOT_ALIGNED: vaddr=0x2004 is not a multiple of 8, an atomic word's size",
                refusal.getMessage());
    }

    @Test
    void outsideTheMemoryThereIsNoWord() {
        var access = new AtomicAccess();
        assertThrows(IndexOutOfBoundsException.class, () -> memory.atomic(BASE + 0x1000, access));
        assertThrows(IndexOutOfBoundsException.class, () -> memory.atomic(BASE - 8, access));
    }
}
