package io.jircon.vm;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/// The mappings that were made of one memory object, among all that show its pages; each keeps the
/// object alive (clause O-256). Every method needs the family's lock.
final class OwnMappings {
    private final VmObject vmo;
    private int count;

    OwnMappings(VmObject vmo) {
        this.vmo = vmo;
    }

    /// Enters a mapping.
    ///
    /// @throws io.jircon.kobject.ZxException BAD_HANDLE when the object is gone
    void attach(MappedRange range) {
        vmo.addUse();
        vmo.mappings().add(range, vmo, vmo.windowOffset());
        count++;
    }

    /// Takes a mapping out; the object may end with it.
    void detach(MappedRange range) {
        vmo.mappings().remove(range);
        vmo.mappingsChanged();
        count--;
        vmo.removeUse();
    }

    /// Changes which part a mapping shows, or how dearly it is wanted.
    void reshape(MappedRange range, Runnable change) {
        vmo.mappings().remove(range);
        change.run();
        vmo.mappings().add(range, vmo, vmo.windowOffset());
        vmo.mappingsChanged();
    }

    /// Whether a mapping is entered.
    boolean contains(MappedRange range) {
        return vmo.mappings().contains(range);
    }

    /// How many mappings there are (clause V-219).
    int count() {
        return count;
    }

    /// How many address spaces map the object; 1 if fewer than two mappings (clause O-219).
    int shareCount() {
        if (count < 2) {
            return 1;
        }
        Set<Object> spaces = Collections.newSetFromMap(new IdentityHashMap<>());
        vmo.mappings()
                .forEach(entry -> {
                    if (entry.owner == vmo) {
                        spaces.add(entry.range.addressSpace());
                    }
                });
        return spaces.size();
    }
}
