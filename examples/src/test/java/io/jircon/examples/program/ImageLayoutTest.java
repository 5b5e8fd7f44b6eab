package io.jircon.examples.program;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.examples.elf.ElfBuilder;
import io.jircon.examples.elf.ElfFile;
import io.jircon.examples.elf.ElfFormatException;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

class ImageLayoutTest {
    private static ImageLayout layout(ElfBuilder elf) throws ElfFormatException {
        return ImageLayout.of(ElfFile.parse(MemorySegment.ofBuffer(elf.build())));
    }

    private static String refusal(ElfBuilder elf) {
        return assertThrows(ElfFormatException.class, () -> layout(elf)).getMessage();
    }

    @Test
    void segmentsAreRoundedToPages() throws ElfFormatException {
        ImageLayout layout =
                layout(
                        new ElfBuilder()
                                .load(ElfBuilder.R, 0x1010, 0x400010, 0x20, 0x20, 0x1000)
                                .load(ElfBuilder.R, 0x1ff0, 0x401ff0, 0x20, 0x1011, 0x1000));

        assertEquals(0x400000, layout.base());
        assertEquals(0x4000, layout.sizeBytes());
        assertEquals(0x1000, layout.alignment());
        assertEquals(0x10, layout.parts().get(0).headBytes());
        assertEquals(0x1000, layout.parts().get(0).sizeBytes());
        assertEquals(0x401000, layout.parts().get(1).base());
        assertEquals(0x3000, layout.parts().get(1).sizeBytes());
        assertEquals(0x4000, layout.memoryBytes());
    }

    @Test
    void gapsBelongToTheSpanButNotToTheMemory() throws ElfFormatException {
        ImageLayout layout =
                layout(
                        new ElfBuilder()
                                .load(ElfBuilder.R, 0x1000, 0x400000, 1, 1, 0x1000)
                                .load(ElfBuilder.R, 0x2000, 0x800000, 1, 1, 0x200000 >> 9));

        assertEquals(0x401000, layout.sizeBytes());
        assertEquals(0x2000, layout.memoryBytes());
    }

    @Test
    void largestAlignmentOfTheSegmentsCounts() throws ElfFormatException {
        ImageLayout layout =
                layout(
                        new ElfBuilder()
                                .load(ElfBuilder.R, 0x1000, 0x201000, 1, 1, 0x200000)
                                .load(ElfBuilder.R, 0x2000, 0x202000, 1, 1, 0x1000));

        assertEquals(21, layout.alignmentShift());
    }

    @Test
    void segmentsOnOnePageAreRefused() {
        assertEquals(
                "segments 0 and 1 share the page at 0x400000",
                refusal(
                        new ElfBuilder()
                                .load(ElfBuilder.R, 0x1000, 0x400000, 0x10, 0x10, 1)
                                .load(ElfBuilder.R, 0x1010, 0x400010, 0x10, 0x10, 1)));
    }

    @Test
    void lastPageOfTheAddressSpaceIsRefused() {
        assertEquals(
                "segment 0 ends at 0xfffffffffffff010, in the last page of the address space",
                refusal(new ElfBuilder().load(ElfBuilder.R, 0x1000, -0x1000, 0x10, 0x10, 1)));
    }

    @Test
    void alignmentBeyondARegionsIsRefused() {
        assertEquals(
                "segment 0: p_align=0x200000000 is more than 4 GiB",
                refusal(
                        new ElfBuilder()
                                .load(
                                        ElfBuilder.R,
                                        0x1000,
                                        0x2_0000_1000L,
                                        0x10,
                                        0x10,
                                        0x2_0000_0000L)));
    }
}
