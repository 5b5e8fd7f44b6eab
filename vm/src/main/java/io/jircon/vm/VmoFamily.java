package io.jircon.vm;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.locks.ReentrantLock;

/// The memory objects that are related: an original, its snapshots, and the slices and references
/// of any of them. They share one lock (clause O-7), for a page may belong to several of them.
///
/// The second place in the lock order: address space, family, page table, TLB, frame allocator.
final class VmoFamily {
    /// Guards the page stores, mapping lists, parent links and lifetimes of all members.
    final ReentrantLock lock = new ReentrantLock();

    /// How many page stores there are: the original's and one for each snapshot.
    @GuardedBy("lock")
    private int stores;

    VmoFamily() {}

    void addStore() {
        lock.lock();
        try {
            stores++;
        } finally {
            lock.unlock();
        }
    }

    void removeStore() {
        lock.lock();
        try {
            stores--;
        } finally {
            lock.unlock();
        }
    }

    /// Whether pages may be shared: some store is a snapshot of another, and both are alive.
    boolean hasSnapshots() {
        lock.lock();
        try {
            return stores > 1;
        } finally {
            lock.unlock();
        }
    }
}
