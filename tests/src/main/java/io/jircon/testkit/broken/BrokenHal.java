package io.jircon.testkit.broken;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.Mmu;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PhysicalMemory;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// A working machine with one fault planted: what a conformance suite, and a student's own tests,
/// must find.
public final class BrokenHal implements Hal {
    private final Hal inner;
    private final PlantedFault fault;
    private final FrameAllocator frames;
    final List<BrokenMmu> mmus = new CopyOnWriteArrayList<>();

    /// Plants a fault.
    ///
    /// @param inner a machine that works; closed with this one
    /// @param fault what is to be wrong
    public BrokenHal(Hal inner, PlantedFault fault) {
        this.inner = inner;
        this.fault = fault;
        this.frames = new BrokenFrames(inner.frames(), fault);
    }

    /// The fault.
    ///
    /// @return as given to the constructor
    public PlantedFault fault() {
        return fault;
    }

    @Override
    public String name() {
        return inner.name();
    }

    @Override
    public PhysicalMemory memory() {
        return inner.memory();
    }

    @Override
    public FrameAllocator frames() {
        return frames;
    }

    @Override
    public PageTableTrait newPageTable(AddressSpaceKind kind) {
        return new BrokenTable(this, inner.newPageTable(kind));
    }

    @Override
    public Mmu newMmu() {
        BrokenMmu made = new BrokenMmu(this, inner.newMmu());
        mmus.add(made);
        return made;
    }

    @Override
    public boolean canMapExecuteOnly() {
        return inner.canMapExecuteOnly();
    }

    @Override
    public void close() {
        inner.close();
    }
}
