package io.jircon.hal.unix;

import io.jircon.hal.Hal;
import io.jircon.hal.HalConfig;
import io.jircon.hal.PagingException;
import java.nio.file.Path;
import java.util.List;

/// The other process of [FrameFileLockTest]: opens a frame file with each machine that can, and
/// says what it was told.
final class FrameFileLockMain {
    static final HalConfig CONFIG = HalConfig.DEFAULT.withMemoryBytes(1 << 20);

    private FrameFileLockMain() {}

    /// @param arguments the file
    public static void main(String[] arguments) {
        for (String name : List.of(UnixFileHal.NAME, UnixMmapHal.NAME)) {
            try {
                open(name, Path.of(arguments[0])).close();
                System.out.println("opened");
            } catch (PagingException refused) {
                System.out.println(refused.getMessage());
            }
        }
    }

    static Hal open(String name, Path file) {
        HalConfig config = CONFIG.withOption("file", file.toString());
        return name.equals(UnixMmapHal.NAME) ? UnixMmapHal.open(config) : UnixFileHal.open(config);
    }
}
