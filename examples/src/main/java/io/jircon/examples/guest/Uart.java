package io.jircon.examples.guest;

import io.jircon.hal.AccessWidth;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import io.jircon.vm.MmioHandler;
import java.io.PrintStream;
import java.util.EnumSet;
import java.util.Set;

/// The part of a 16550 serial port that a guest needs to print: eight registers of one byte.
public final class Uart implements MmioHandler {
    /// How many addresses it answers to.
    public static final long SIZE_BYTES = 8;

    /// Offset of the register that takes the next byte to send.
    public static final long TRANSMIT = 0;

    /// Offset of the register that says what the port is doing.
    public static final long LINE_STATUS = 5;

    /// The bit of [#LINE_STATUS] that is set when [#TRANSMIT] takes a byte.
    public static final int TRANSMIT_EMPTY = 1 << 5;

    private final PrintStream line;

    /// Connects a port.
    ///
    /// @param line where the bytes go
    public Uart(PrintStream line) {
        this.line = line;
    }

    @Override
    public Set<AccessWidth> widths() {
        return EnumSet.of(AccessWidth.BYTE);
    }

    /// This line is never busy. Registers that are not there read as 0.
    @Override
    public long read(long offset, AccessWidth width) {
        return offset == LINE_STATUS ? TRANSMIT_EMPTY : 0;
    }

    /// Sends a byte; the other registers would set the speed, and there is none.
    ///
    /// @throws ZxException IO_REFUSED for the status, which is only to be read
    @Override
    public void write(long offset, AccessWidth width, long value) {
        if (offset == LINE_STATUS) {
            throw new ZxException(ZxStatus.IO_REFUSED, "", "LINE_STATUS is read-only");
        }
        if (offset == TRANSMIT) {
            line.write((int) value);
        }
    }
}
