package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.mockito.ArgumentMatchers.anyLong;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.never;
import static org.mockito.Mockito.spy;
import static org.mockito.Mockito.times;
import static org.mockito.Mockito.verify;
import static org.mockito.Mockito.when;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class PhysFrameTest {
    private static final long BASE = 0x20_0000;
    private Arena arena;
    private FrameAllocator frames;
    private Hal hal;

    @BeforeEach
    void makeMachine() {
        arena = Arena.ofConfined();
        var memory = new PhysicalMemory(arena.allocate(16 * 4096, 8), BASE);
        frames = spy(new BuddyFrameAllocator(memory));
        hal = mock(Hal.class);
        when(hal.memory()).thenReturn(memory);
        when(hal.frames()).thenReturn(frames);
    }

    @AfterEach
    void freeMemory() {
        arena.close();
    }

    @Test
    @Tag("A-21")
    @Tag("frame.rs:test_alloc_dealloc_cycle")
    void closingGivesTheFrameBackOnce() {
        PhysFrame frame = PhysFrame.alloc(hal);
        assertEquals(15, frames.freeFrames());
        frame.close();
        frame.close();
        assertEquals(16, frames.freeFrames());
        verify(frames, times(1)).free(BASE);
    }

    @Test
    @Tag("A-21")
    @Tag("A-18")
    @Tag("frame.rs:test_alloc_zero")
    void allocZeroZeroes() {
        hal.memory().slice(BASE, 4096).fill((byte) 0x55);
        try (PhysFrame frame = PhysFrame.allocZero(hal)) {
            assertEquals(-1, frame.bytes().mismatch(arena.allocate(4096)));
        }
    }

    @Test
    @Tag("A-23")
    @Tag("frame.rs:test_fill_operation")
    @Tag("frame.rs:test_fill_multiple_frames")
    void fillSetsJustTheFramesBytes() {
        PhysFrame first = PhysFrame.alloc(hal);
        try (PhysFrame second = PhysFrame.alloc(hal);
                PhysFrame third = PhysFrame.allocZero(hal)) {
            first.fill((byte) 1);
            second.fill((byte) 2);
            assertEquals(1, first.bytes().get(ValueLayout.JAVA_BYTE, 4095));
            assertEquals(2, second.bytes().get(ValueLayout.JAVA_BYTE, 0));
            assertEquals(2, second.bytes().get(ValueLayout.JAVA_BYTE, 4095));
            assertEquals(0, third.bytes().get(ValueLayout.JAVA_BYTE, 0));
        }
        first.close();
    }

    @Test
    @Tag("A-23")
    void aClosedFrameAnswersNothing() {
        PhysFrame frame = PhysFrame.alloc(hal);
        frame.close();
        assertThrows(IllegalStateException.class, frame::paddr);
        assertThrows(IllegalStateException.class, frame::bytes);
        assertThrows(IllegalStateException.class, () -> frame.fill((byte) 0));
        assertEquals("PhysFrame(closed)", frame.toString());
    }

    @Test
    @Tag("A-22")
    @Tag("frame.rs:test_uninit_access")
    void aPlaceholderAnswersNothingAndGivesNothingBack() {
        PhysFrame frame = PhysFrame.uninit();
        var thrown = assertThrows(IllegalStateException.class, frame::paddr);
        assertEquals("uninitialized PhysFrame", thrown.getMessage());
        assertThrows(IllegalStateException.class, () -> frame.fill((byte) 0));
        frame.close();
        verify(frames, never()).free(anyLong());
    }

    @Test
    @Tag("A-21")
    @Tag("frame.rs:test_alloc_no_memory")
    void anEmptyMachineHasNoMemory() {
        frames.allocateContiguous(16, 12);
        var thrown = assertThrows(PagingException.class, () -> PhysFrame.alloc(hal));
        assertEquals(PagingError.NO_MEMORY, thrown.error());
    }
}
