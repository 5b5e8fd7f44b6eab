package io.jircon.hal.unix;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.PageSize;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a frame file keeps beside the bytes of the frames, on both machines that have one.
class FrameFileTest {
    private static final long PAGE = PageSize.BASE_BYTES;
    private static final int FRAMES = 64;
    private static final long MAP_ROOM = UnixFileStore.HEADER_BYTES + FRAMES * PAGE;
    private static final long COPY_BYTES = FrameMap.roomBytes(FRAMES * PAGE) / 2;

    @TempDir Path directory;

    private HalConfig config() {
        return HalConfig.DEFAULT
                .withMemoryBytes(FRAMES * PAGE)
                .withOption("file", directory.resolve("frames").toString());
    }

    private static Hal open(String name, HalConfig config) {
        return name.equals(UnixMmapHal.NAME) ? UnixMmapHal.open(config) : UnixFileHal.open(config);
    }

    private static FrameFile fileOf(Hal hal) {
        return (hal instanceof UnixMmapHal mmap
                        ? mmap.frameFile()
                        : ((UnixFileHal) hal).frameFile())
                .orElseThrow();
    }

    private static List<Long> allocated(Hal hal) {
        List<Long> all = new ArrayList<>();
        for (long at = hal.memory().base(); all.size() < FRAMES; at += PAGE) {
            all.add(hal.frames().isAllocated(at) ? at : -1);
        }
        return all;
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {UnixFileHal.NAME, UnixMmapHal.NAME})
    void whatWasFlushedIsHandedOutAgainAndTheRootFindsIt(String name) {
        List<Long> flushed;
        long root;
        try (Hal hal = open(name, config())) {
            assertEquals(0, fileOf(hal).root());
            assertEquals(1, fileOf(hal).generation());
            hal.frames().allocateContiguous(7, 12);
            hal.frames().free(hal.memory().base() + 3 * PAGE);
            root = hal.frames().allocateContiguous(9, 14);
            hal.memory().writeLong(root, 0x5eed);
            fileOf(hal).setRoot(root);
            fileOf(hal).flush();
            assertEquals(2, fileOf(hal).generation());
            flushed = allocated(hal);
            // Of what follows the file shall know nothing.
            hal.frames().allocate();
            hal.frames().free(root + PAGE);
            fileOf(hal).setRoot(-1);
        }
        for (String reader : List.of(UnixFileHal.NAME, UnixMmapHal.NAME)) {
            try (Hal hal = open(reader, config())) {
                assertEquals(root, fileOf(hal).root());
                assertEquals(2, fileOf(hal).generation());
                assertEquals(directory.resolve("frames"), fileOf(hal).path());
                assertEquals(flushed, allocated(hal));
                assertEquals(FRAMES - 15, hal.frames().freeFrames());
                assertEquals(0x5eed, hal.memory().readLong(root));
                assertEquals(hal.memory().base() + 3 * PAGE, hal.frames().allocate());
            }
        }
    }

    @ParameterizedTest(name = "seed={0}")
    @ValueSource(longs = {1, 2, 3})
    void randomHistoriesComeBackAsOfTheLastFlush(long seed) {
        var random = new Random(seed);
        List<Long> flushed = null;
        long generation = 1;
        for (int life = 0; life < 6; life++) {
            String name = random.nextBoolean() ? UnixFileHal.NAME : UnixMmapHal.NAME;
            try (Hal hal = open(name, config())) {
                if (flushed != null) {
                    assertEquals(flushed, allocated(hal));
                }
                assertEquals(generation, fileOf(hal).generation());
                assertEquals(generation * seed, life == 0 ? seed : fileOf(hal).root());
                for (int step = 0; step < 200; step++) {
                    long frame = hal.memory().base() + random.nextInt(FRAMES) * PAGE;
                    if (hal.frames().isAllocated(frame)) {
                        hal.frames().free(frame);
                    } else {
                        hal.frames().allocate();
                    }
                    if (step % 70 == 0) {
                        generation++;
                        fileOf(hal).setRoot(generation * seed);
                        fileOf(hal).flush();
                        flushed = allocated(hal);
                    }
                }
            }
        }
    }

    /// Every other frame is the most that a map has to say.
    @Test
    void mostScatteredMapFits() {
        try (Hal hal = open(UnixFileHal.NAME, config())) {
            hal.frames().allocateContiguous(FRAMES, 12);
            for (int i = 1; i < FRAMES; i += 2) {
                hal.frames().free(hal.memory().base() + i * PAGE);
            }
            fileOf(hal).flush();
            fileOf(hal).flush();
        }
        try (Hal hal = open(UnixFileHal.NAME, config())) {
            assertEquals(FRAMES / 2, hal.frames().freeFrames());
            assertEquals(3, fileOf(hal).generation());
        }
    }

    /// A flush that a crash cut off at any byte of its copy counts for nothing.
    @Test
    void flushThatWasCutOffLeavesTheOneBefore() throws Exception {
        Path file = directory.resolve("frames");
        byte[] before;
        try (Hal hal = open(UnixFileHal.NAME, config())) {
            hal.frames().allocateContiguous(5, 12);
            fileOf(hal).setRoot(55);
            fileOf(hal).flush();
            before = Files.readAllBytes(file);
            hal.frames().allocateContiguous(3, 12);
            hal.frames().free(hal.memory().base());
            fileOf(hal).setRoot(66);
            fileOf(hal).flush();
        }
        byte[] after = Files.readAllBytes(file);
        int copy = (int) (MAP_ROOM + COPY_BYTES); // generation 3 is odd
        int last = copy;
        for (int at = copy; at < after.length; at++) {
            last = before[at] == after[at] ? last : at;
        }
        for (int cut = copy; cut <= last; cut++) {
            byte[] torn = after.clone();
            System.arraycopy(before, cut, torn, cut, after.length - cut);
            Files.write(file, torn);
            try (Hal hal = open(UnixFileHal.NAME, config())) {
                assertEquals(2, fileOf(hal).generation(), "cut at " + cut);
                assertEquals(55, fileOf(hal).root());
                assertEquals(FRAMES - 5, hal.frames().freeFrames());
            }
        }
        Files.write(file, after);
        try (Hal hal = open(UnixFileHal.NAME, config())) {
            assertEquals(66, fileOf(hal).root());
            assertEquals(FRAMES - 7, hal.frames().freeFrames());
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {UnixFileHal.NAME, UnixMmapHal.NAME})
    void fileWithoutAWholeMapIsRefused(String name) throws Exception {
        open(name, config()).close();
        Path file = directory.resolve("frames");
        byte[] bytes = Files.readAllBytes(file);
        bytes[(int) (MAP_ROOM + COPY_BYTES) + 16] ^= 1;
        Files.write(file, bytes);
        assertRefused(name, "is damaged: neither copy of its allocation map has its checksum");
        assertArrayEquals(bytes, Files.readAllBytes(file));
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {UnixFileHal.NAME, UnixMmapHal.NAME})
    void mapOfAnotherMemoryIsRefused(String name) throws Exception {
        long base = HalConfig.DEFAULT.memoryBase();
        long[][] foreign = {
            {base + FRAMES * PAGE, 1}, {base + 60 * PAGE, 5}, {base, 2, base + PAGE, 1}, {base, 0}
        };
        for (long[] runs : foreign) {
            Files.deleteIfExists(directory.resolve("frames"));
            open(name, config()).close();
            try (FileChannel channel =
                    FileChannel.open(directory.resolve("frames"), StandardOpenOption.WRITE)) {
                new FrameMap(2, 0, runs).write(channel, MAP_ROOM, FRAMES * PAGE);
            }
            assertRefused(name, "is damaged: its allocation map is not of this memory");
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {UnixFileHal.NAME, UnixMmapHal.NAME})
    void fileOfAnotherVersionIsRefused(String name) throws Exception {
        open(name, config()).close();
        ByteBuffer head = ByteBuffer.allocate(36).order(ByteOrder.LITTLE_ENDIAN);
        try (FileChannel channel =
                FileChannel.open(
                        directory.resolve("frames"),
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            channel.read(head, 0);
            head.putInt(8, 1);
            var crc = new CRC32C();
            crc.update(head.slice(0, 32));
            head.putInt(32, (int) crc.getValue()).rewind();
            channel.write(head, 0);
        }
        assertRefused(name, "has version=1, known is 2");
    }

    private void assertRefused(String name, String reason) {
        long descriptors = HostMaps.descriptors();
        PagingException thrown =
                assertThrows(PagingException.class, () -> open(name, config()).close());
        assertEquals(
                "BAD_STATE: file=" + directory.resolve("frames") + " " + reason,
                thrown.getMessage());
        assertEquals(descriptors, HostMaps.descriptors());
        assertEquals(0, HostMaps.of(directory.resolve("frames")));
    }

    @Test
    void namelessFramesHaveNoFileAndClosedOnesDoNotFlush() {
        HalConfig nameless = HalConfig.DEFAULT.withMemoryBytes(FRAMES * PAGE);
        try (var portable = UnixFileHal.open(nameless);
                var mmap = UnixMmapHal.open(nameless)) {
            assertEquals(Optional.empty(), portable.frameFile());
            assertEquals(Optional.empty(), mmap.frameFile());
            portable.flush();
            mmap.flush();
        }
        Hal hal = open(UnixMmapHal.NAME, config());
        FrameFile file = fileOf(hal);
        assertFalse(hal.frames().isAllocated(hal.memory().base()));
        hal.close();
        PagingException closed = assertThrows(PagingException.class, file::flush);
        assertEquals(PagingError.BAD_STATE, closed.error());
    }
}
