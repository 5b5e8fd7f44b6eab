package io.jircon.vm;

import io.jircon.kobject.KObjectBase;
import io.jircon.kobject.Kernel;
import io.jircon.kobject.ObjectType;
import java.util.Objects;

/// A profile that gives regions a memory priority (clause V-272). It is applied by
/// [VmarCalls#setProfile] and never changes.
public final class MemoryProfile extends KObjectBase {
    private final MemoryPriority priority;

    /// Makes a profile.
    ///
    /// @param kernel the system
    /// @param priority what regions get from it
    public MemoryProfile(Kernel kernel, MemoryPriority priority) {
        super(kernel, ObjectType.PROFILE);
        this.priority = Objects.requireNonNull(priority, "priority");
    }

    /// What regions get from it.
    ///
    /// @return never changes
    public MemoryPriority priority() {
        return priority;
    }

    @Override
    protected void onZeroHandles() {
        noteDestroyed();
    }
}
