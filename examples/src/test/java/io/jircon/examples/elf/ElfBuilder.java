package io.jircon.examples.elf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// Makes ELF files by hand: the header, a program header table right after it, and the contents.
public final class ElfBuilder {
    /// `PF_R`.
    public static final int R = 4;

    /// `PF_W`.
    public static final int W = 2;

    /// `PF_X`.
    public static final int X = 1;

    private record Load(
            int flags, long offset, long vaddr, long fileSize, long memorySize, long alignment) {}

    private final List<Load> loads = new ArrayList<>();
    private ByteOrder order = ByteOrder.LITTLE_ENDIAN;
    private int sizeBytes = 0x3000;

    /// A program as linkers make them: text at 0x400000, data with a zero tail at 0x402000.
    public static ElfBuilder program() {
        return new ElfBuilder()
                .load(R | X, 0x1000, 0x400000, 0xf00, 0xf00, 0x1000)
                .load(R | W, 0x2000, 0x402000, 0x800, 0x2345, 0x1000);
    }

    public ElfBuilder order(ByteOrder newOrder) {
        order = newOrder;
        return this;
    }

    public ElfBuilder size(int newSizeBytes) {
        sizeBytes = newSizeBytes;
        return this;
    }

    public ElfBuilder load(
            int flags, long offset, long vaddr, long fileSize, long memorySize, long alignment) {
        loads.add(new Load(flags, offset, vaddr, fileSize, memorySize, alignment));
        return this;
    }

    /// The file; byte i of what no header takes is `i * 7`.
    public ByteBuffer build() {
        ByteBuffer file = ByteBuffer.allocate(sizeBytes).order(order);
        for (int i = 64 + 56 * loads.size(); i < sizeBytes; i++) {
            file.put(i, (byte) (i * 7));
        }
        file.put(0, (byte) 0x7f).put(1, (byte) 'E').put(2, (byte) 'L').put(3, (byte) 'F');
        file.put(4, (byte) 2).put(5, (byte) (order == ByteOrder.LITTLE_ENDIAN ? 1 : 2));
        file.put(6, (byte) 1);
        file.putShort(16, (short) 2).putShort(18, (short) 62).putInt(20, 1);
        file.putLong(24, 0x400010).putLong(32, 64);
        file.putShort(52, (short) 64).putShort(54, (short) 56);
        file.putShort(56, (short) loads.size()).putShort(58, (short) 64);
        int at = 64;
        for (Load load : loads) {
            file.putInt(at, 1).putInt(at + 4, load.flags);
            file.putLong(at + 8, load.offset).putLong(at + 16, load.vaddr);
            file.putLong(at + 24, load.vaddr).putLong(at + 32, load.fileSize);
            file.putLong(at + 40, load.memorySize).putLong(at + 48, load.alignment);
            at += 56;
        }
        return file;
    }
}
