package io.jircon.vm;

import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Changes how processors cache a memory object (section 13 of the contract).
final class CachePolicyOp {
    private CachePolicyOp() {}

    /// What [VmObject#setCachePolicy] does.
    static void run(VmObject vmo, CachePolicy policy) {
        Objects.requireNonNull(policy, "policy");
        vmo.lock().lock();
        try {
            vmo.requireHeld();
            if (!vmo.isPaged() && policy == vmo.cachePolicy()) {
                return;
            }
            String obstacle = obstacle(vmo, policy);
            if (obstacle != null) {
                throw ZxException.of(
                        ZxStatus.BAD_STATE,
                        "O-239",
                        "policy",
                        policy.toString(),
                        "koid " + vmo.koid() + " " + obstacle);
            }
            vmo.noteCachePolicy(policy);
        } finally {
            vmo.lock().unlock();
        }
    }

    /// Why the policy cannot become that now, or null.
    @SuppressWarnings("GuardedBy") // the caller has the lock
    private static @Nullable String obstacle(VmObject vmo, CachePolicy policy) {
        if (vmo.hasPins()) {
            return "has pinned pages";
        }
        if (vmo.ownMappings().count() != 0) {
            return "is mapped";
        }
        if (vmo.childCount() != 0) {
            return "has children";
        }
        if (vmo.isChild()) {
            return "is a child";
        }
        if (policy == CachePolicy.CACHED) {
            return null;
        }
        if (vmo.isDiscardable()) {
            return "is discardable";
        }
        return vmo.isPagerBacked() ? "has a pager" : null;
    }
}
