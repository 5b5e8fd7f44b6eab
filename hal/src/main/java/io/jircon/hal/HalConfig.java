package io.jircon.hal;

import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;

/// Size and settings of a machine.
///
/// @param memoryBase physical address of the first byte, a multiple of 2 MiB
/// @param memoryBytes size in bytes, a multiple of the base page, at least 16 pages; reserved
///   lazily
/// @param tlb size and replacement of the software TLB
/// @param frameWrapper put around the machine's allocator before anything uses it: page tables,
///   processors and callers then take their frames through it
/// @param options settings of one HAL, by name; a HAL refuses names it does not know
public record HalConfig(
        long memoryBase,
        long memoryBytes,
        TlbConfig tlb,
        UnaryOperator<FrameAllocator> frameWrapper,
        Map<String, String> options) {

    /// 256 MiB at 0x8000_0000, a default TLB, no options.
    public static final HalConfig DEFAULT =
            new HalConfig(
                    0x8000_0000L,
                    256L << 20,
                    TlbConfig.DEFAULT,
                    UnaryOperator.identity(),
                    Map.of());

    private static final long MIN_BYTES = 16 * PageSize.BASE_BYTES;

    /// Checks base and size, and copies the options.
    ///
    /// @throws PagingException NOT_ALIGNED when the base is no multiple of 2 MiB or the size none
    ///   of the base page; OUT_OF_RANGE when the size is less than 16 pages or more than 2^56
    ///   bytes, or the memory would wrap around
    public HalConfig {
        Objects.requireNonNull(tlb, "tlb");
        Objects.requireNonNull(frameWrapper, "frameWrapper");
        if (!PageSize.SIZE_2M.isAligned(memoryBase)) {
            throw PagingException.notAligned("memoryBase", memoryBase, PageSize.SIZE_2M);
        }
        if (!PageSize.SIZE_4K.isAligned(memoryBytes)) {
            throw PagingException.notAligned("memoryBytes", memoryBytes, PageSize.SIZE_4K);
        }
        if (memoryBytes < MIN_BYTES || memoryBytes > 1L << 56) {
            throw PagingException.outOfRange(
                    "memoryBytes", memoryBytes, "is not in 16 pages .. 2^56");
        }
        if (Long.compareUnsigned(memoryBase + memoryBytes - 1, memoryBase) < 0) {
            throw PagingException.outOfRange(
                    "memoryBase",
                    memoryBase,
                    "plus memoryBytes=" + PagingException.hex(memoryBytes) + " wraps around");
        }
        options = Map.copyOf(options);
    }

    /// The same with another size.
    ///
    /// @param bytes size in bytes
    /// @return a new value
    public HalConfig withMemoryBytes(long bytes) {
        return new HalConfig(memoryBase, bytes, tlb, frameWrapper, options);
    }

    /// The same with another base.
    ///
    /// @param base physical address of the first byte
    /// @return a new value
    public HalConfig withMemoryBase(long base) {
        return new HalConfig(base, memoryBytes, tlb, frameWrapper, options);
    }

    /// The same with another TLB.
    ///
    /// @param newTlb size and replacement
    /// @return a new value
    public HalConfig withTlb(TlbConfig newTlb) {
        return new HalConfig(memoryBase, memoryBytes, newTlb, frameWrapper, options);
    }

    /// The same with a wrapper around the allocator, such as one that fails on purpose.
    ///
    /// @param wrapper called once with the machine's allocator
    /// @return a new value
    public HalConfig withFrameWrapper(UnaryOperator<FrameAllocator> wrapper) {
        return new HalConfig(memoryBase, memoryBytes, tlb, wrapper, options);
    }

    /// The same with one more option.
    ///
    /// @param name the option's name
    /// @param value its value
    /// @return a new value
    public HalConfig withOption(String name, String value) {
        var more = new java.util.HashMap<>(options);
        more.put(name, value);
        return new HalConfig(memoryBase, memoryBytes, tlb, frameWrapper, more);
    }
}
