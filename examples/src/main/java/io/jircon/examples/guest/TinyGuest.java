package io.jircon.examples.guest;

import io.jircon.hal.AccessWidth;
import io.jircon.hal.AddrRange;
import io.jircon.hal.DeviceRange;
import io.jircon.hal.GuestPhysAddr;
import io.jircon.hal.HalConfig;
import io.jircon.hal.Hals;
import io.jircon.hal.Mmu;
import io.jircon.hal.MmuFlags;
import io.jircon.vm.AddrSpace;
import io.jircon.vm.GuestMemory;
import io.jircon.vm.Machine;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/// A guest with some memory and a serial port, and the loop of its only processor. The guest copies
/// a text into its memory and prints it from there.
public final class TinyGuest implements AutoCloseable {
    private static final GuestPhysAddr UART = new GuestPhysAddr(0x1000_0000L);
    private static final GuestPhysAddr RAM = new GuestPhysAddr(0x8000_0000L);
    private static final long RAM_BYTES = 1 << 20;

    private final AddrSpace space;
    private final GuestMemory devices;
    private final Mmu processor;
    private final MemorySegment register = MemorySegment.ofArray(new byte[1]);
    private int exits;

    TinyGuest(Machine machine, PrintStream line) {
        space = AddrSpace.create(machine, UART, RAM.subAddr(UART) + RAM_BYTES);
        space.mapAlloc(RAM, RAM_BYTES, MmuFlags.RW, AddrSpace.Populate.ON_FAULT);
        space.addMmio(
                new DeviceRange.Mmio(AddrRange.ofSize(UART, Uart.SIZE_BYTES)), new Uart(line));
        devices = space.memory();
        processor = machine.hal().newMmu();
        processor.activate(space.pageTable());
    }

    /// Runs a guest.
    ///
    /// @param args the name of a HAL, or nothing for `riscv64`
    public static void main(String... args) {
        run(args.length == 0 ? "riscv64" : args[0], System.out);
    }

    static void run(String hal, PrintStream out) {
        try (Machine machine = Machine.boot(Hals.create(hal, HalConfig.DEFAULT));
                var guest = new TinyGuest(machine, out)) {
            byte[] text = "hello from the guest\n".getBytes(StandardCharsets.US_ASCII);
            for (int i = 0; i < text.length; i++) {
                guest.storeByte(RAM.add(i), text[i]);
            }
            for (int i = 0; i < text.length; i++) {
                while ((guest.loadByte(UART.add(Uart.LINE_STATUS)) & Uart.TRANSMIT_EMPTY) == 0) {
                    Thread.onSpinWait(); // the line is busy
                }
                guest.storeByte(UART.add(Uart.TRANSMIT), guest.loadByte(RAM.add(i)));
            }
            out.println("exits: " + guest.exits);
        }
    }

    /// A load instruction of the guest.
    private byte loadByte(GuestPhysAddr gpa) {
        while (processor.load(gpa.value(), register, 0, 1) == 0) {
            if (isForDevice(gpa)) {
                return devices.readByte(gpa.value());
            }
        }
        return register.get(ValueLayout.JAVA_BYTE, 0);
    }

    /// A store instruction of the guest.
    private void storeByte(GuestPhysAddr gpa, byte value) {
        register.set(ValueLayout.JAVA_BYTE, 0, value);
        while (processor.store(gpa.value(), register, 0, 1) == 0) {
            if (isForDevice(gpa)) {
                devices.write(gpa.value(), AccessWidth.BYTE, value);
                return;
            }
        }
    }

    /// What a hypervisor does when the guest's processor cannot go on: the access was for a device,
    /// or it can be tried again once the page is there, or the guest is at fault.
    ///
    /// @return true when the instruction must be carried out on a device, false to try it again
    private boolean isForDevice(GuestPhysAddr gpa) {
        exits++;
        if (space.mmioAt(gpa).isPresent()) {
            return true;
        }
        if (!space.handlePageFault(gpa, processor.faultAccess())) {
            throw new IllegalStateException("the guest died of " + processor.fault());
        }
        return false;
    }

    @Override
    public void close() {
        processor.close();
        devices.close();
        space.close();
    }
}
