package io.jircon.examples.program;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.examples.elf.ElfBuilder;
import io.jircon.examples.elf.ElfFile;
import io.jircon.examples.elf.ElfFormatException;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.kobject.ProcessBase;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.Machine;
import io.jircon.vm.UserMemory;
import io.jircon.vm.VmarFlags;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The check must see every way in which a loaded program can be wrong.
class ProgramCheckTest {
    private static final long TEXT = 0x400000;
    private static final long DATA = 0x402000;

    private Machine machine;
    private long freeBefore;
    private LoadedProgram program;
    private UserMemory processor;

    private static Machine boot(long memoryBytes) {
        return Machine.boot(Hals.create("riscv64", HalConfig.DEFAULT.withMemoryBytes(memoryBytes)));
    }

    private static LoadedProgram load(Machine machine, LoadedProgram.Paging paging)
            throws ElfFormatException {
        ElfFile file = ElfFile.parse(MemorySegment.ofBuffer(ElfBuilder.program().build()));
        return LoadedProgram.load(machine, "program", file, ImageLayout.of(file), paging);
    }

    @BeforeEach
    void loadProgram() throws ElfFormatException {
        machine = boot(16 << 20);
        freeBefore = machine.frames().freeFrames();
        program = load(machine, LoadedProgram.Paging.ON_DEMAND);
        processor = new UserMemory(program.root(), machine.hal().newMmu());
    }

    @AfterEach
    void closeAll() {
        processor.close();
        program.close();
        assertEquals(freeBefore, machine.frames().freeFrames());
        machine.close();
    }

    private String mismatch() {
        return assertThrows(
                        ProgramCheck.MismatchException.class,
                        () -> ProgramCheck.run(program, processor))
                .getMessage();
    }

    private void poke(long vaddr) {
        ProgramCheck.run(program, processor); // brings every page in
        long paddr = program.pageTable().translate(vaddr);
        byte[] octet = {(byte) 0xee};
        machine.memory().write(paddr, MemorySegment.ofArray(octet), 0, 1);
    }

    @Test
    void programIsAsItMustBe() {
        assertEquals(
                new ProgramCheck.Outcome(4, 4 * 4096, 2 + 2 + 3),
                ProgramCheck.run(program, processor));
    }

    @Test
    void closeKillsTheProcess() {
        assertEquals(ProcessBase.State.RUNNING, program.process().state());
        assertEquals("program", program.process().name());

        program.close();

        assertEquals(ProcessBase.State.DEAD, program.process().state());
        assertFalse(program.root().isAlive());
    }

    @Test
    void checkingTwiceFindsTheSame() {
        ProgramCheck.run(program, processor);

        assertEquals(4, ProgramCheck.run(program, processor).pages());
    }

    @Test
    void wrongFirstByteIsSeen() {
        poke(TEXT);
        assertEquals("the byte at 0x400000 is not that of the file", mismatch());
    }

    @Test
    void wrongLastByteOfTheFileIsSeen() {
        poke(DATA + 0x7ff);
        assertEquals("the byte at 0x4027ff is not that of the file", mismatch());
    }

    @Test
    void tailThatIsNotZeroIsSeen() {
        poke(DATA + 0x800);
        assertEquals("the byte at 0x402800 is not zero", mismatch());
    }

    @Test
    void lastByteOfTheLastPageIsLookedAt() {
        poke(TEXT + 0xfff);
        assertEquals("the byte at 0x400fff is not zero", mismatch());
    }

    @Test
    void textThatCanBeWrittenIsSeen() {
        program.image().protect(VmarFlags.READ_WRITE_EXECUTE, TEXT, 0x1000);
        assertEquals("WRITE at 0x400000 answered OK, not ACCESS_DENIED", mismatch());
    }

    @Test
    void dataThatCanBeExecutedIsSeen() {
        program.image().protect(VmarFlags.READ_WRITE_EXECUTE, DATA, 0x3000);
        assertEquals("EXECUTE at 0x402000 answered OK, not ACCESS_DENIED", mismatch());
    }

    @Test
    void missingMappingIsSeen() {
        program.image().unmap(DATA + 0x1000, 0x1000);
        assertEquals("a read at 0x403000 was refused: NOT_FOUND", mismatch());
    }

    @Test
    void runningOutOfFramesAtAnyPointLeavesNothingBehind() throws ElfFormatException {
        int failures = 0;
        boolean loadedAtLast = false;
        for (int frames = 16; !loadedAtLast; frames++) {
            try (Machine small = boot(frames * 4096L)) {
                long free = small.frames().freeFrames();
                try {
                    LoadedProgram loaded = load(small, LoadedProgram.Paging.POPULATE);
                    loaded.close();
                    loadedAtLast = true;
                } catch (ZxException e) {
                    assertEquals(ZxStatus.NO_MEMORY, e.status());
                    failures++;
                }
                assertEquals(free, small.frames().freeFrames());
            }
        }
        // The stack alone has more pages than that.
        assertTrue(failures > LoadedProgram.STACK_BYTES / 4096 - 16, failures + " failures");
    }
}
