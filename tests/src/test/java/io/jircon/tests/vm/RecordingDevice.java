package io.jircon.tests.vm;

import io.jircon.hal.AccessWidth;
import io.jircon.vm.MmioHandler;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/// A device that writes down what reaches it.
final class RecordingDevice implements MmioHandler {
    final List<String> calls = new ArrayList<>();

    /// What loads answer.
    long answer;

    /// Runs in each call.
    Runnable inCall = () -> {};

    private final Set<AccessWidth> widths;

    RecordingDevice() {
        this(EnumSet.allOf(AccessWidth.class));
    }

    RecordingDevice(Set<AccessWidth> widths) {
        this.widths = widths;
    }

    /// What reached it since the last question.
    List<String> takeCalls() {
        List<String> taken = List.copyOf(calls);
        calls.clear();
        return taken;
    }

    @Override
    public Set<AccessWidth> widths() {
        return widths;
    }

    @Override
    public long read(long offset, AccessWidth width) {
        calls.add("read +" + offset + " " + width);
        inCall.run();
        return answer;
    }

    @Override
    public void write(long offset, AccessWidth width, long value) {
        calls.add("write +" + offset + " " + width + " 0x" + Long.toHexString(value));
        inCall.run();
    }
}
