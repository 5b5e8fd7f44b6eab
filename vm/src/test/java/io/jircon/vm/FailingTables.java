package io.jircon.vm;

import io.jircon.hal.AddressSpaceKind;
import io.jircon.hal.FrameAllocator;
import io.jircon.hal.Hal;
import io.jircon.hal.Mmu;
import io.jircon.hal.PageTableTrait;
import io.jircon.hal.PagingError;
import io.jircon.hal.PagingException;
import io.jircon.hal.PhysicalMemory;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Set;

/// A machine whose page tables can be told to refuse changes. A change that is refused is not made
/// at all, as the page-table contract has it.
final class FailingTables implements Hal {
    /// How long a refusal lasts.
    enum Lasting {
        ONE_CALL,
        FROM_THEN_ON
    }

    private static final Set<String> CHANGES =
            Set.of(
                    "map",
                    "remap",
                    "protect",
                    "unmap",
                    "mapRange",
                    "mapPages",
                    "unmapRange",
                    "protectRange",
                    "writeProtectRange");

    private final Hal inner;
    private PagingError error = PagingError.SYSTEM;
    private Lasting lasting = Lasting.ONE_CALL;
    private int callsUntilFailure;
    private boolean failed;

    FailingTables(Hal inner) {
        this.inner = inner;
    }

    /// The k-th change from now on is refused.
    void failAt(int k, PagingError newError, Lasting newLasting) {
        callsUntilFailure = k;
        error = newError;
        lasting = newLasting;
        failed = false;
    }

    /// Whether a change was refused since [#failAt], which is then off.
    boolean disarm() {
        callsUntilFailure = 0;
        return failed;
    }

    private void count(String change) {
        if (callsUntilFailure == 0) {
            return;
        }
        if (callsUntilFailure > 1) {
            callsUntilFailure--;
            return;
        }
        if (lasting == Lasting.ONE_CALL) {
            callsUntilFailure = 0;
        }
        failed = true;
        throw new PagingException(error, change + " fails on purpose");
    }

    @Override
    public PageTableTrait newPageTable(AddressSpaceKind kind) {
        PageTableTrait table = inner.newPageTable(kind);
        return (PageTableTrait)
                Proxy.newProxyInstance(
                        PageTableTrait.class.getClassLoader(),
                        new Class<?>[] {PageTableTrait.class},
                        (proxy, method, arguments) -> call(table, method, arguments));
    }

    private Object call(PageTableTrait table, Method method, Object[] arguments) throws Throwable {
        if (CHANGES.contains(method.getName())) {
            count(method.getName());
        }
        try {
            return method.invoke(table, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
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
        return inner.frames();
    }

    @Override
    public Mmu newMmu() {
        throw new UnsupportedOperationException("an MMU knows only tables of its machine");
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
