package io.jircon.hal.unix;

import io.jircon.hal.HalConfig;
import io.jircon.hal.PageSize;
import io.jircon.hal.unix.SeccompFilter.Call;

/// The child of [FrameFileMakingTest]: the kernel kills it before a certain write of the making of
/// a frame file.
final class FrameFileMakingMain {
    static final int FRAMES = 64;

    /// The writes, each told by its length and place.
    enum Write {
        MARK(8, 0),
        LENGTH(1, UnixFileStore.fileBytes(config("")) - 1),
        MAP(64, UnixFileStore.HEADER_BYTES + MEMORY_BYTES + FrameMap.roomBytes(MEMORY_BYTES) / 2),
        HEADER(UnixFileStore.HEADER_BYTES, 0);

        private final int bytes;
        private final long at;

        Write(int bytes, long at) {
            this.bytes = bytes;
            this.at = at;
        }
    }

    private static final long MEMORY_BYTES = FRAMES * PageSize.BASE_BYTES;

    private FrameFileMakingMain() {}

    static HalConfig config(String file) {
        return HalConfig.DEFAULT.withMemoryBytes(MEMORY_BYTES).withOption("file", file);
    }

    /// @param arguments name of the HAL, frame file, which write to die before
    public static void main(String[] arguments) {
        Write last = Write.valueOf(arguments[2]);
        SeccompFilter.of(Call.PWRITE).low(2, -1, last.bytes).low(3, -1, (int) last.at).kill();
        FrameFileCrashMain.open(arguments[0], config(arguments[1])).close();
    }
}
