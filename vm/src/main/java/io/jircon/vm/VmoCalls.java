package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The memory-object operations as system calls of one process: they name objects by handles, and a
/// handle's rights decide first (section 4 of the contract).
///
/// Every call fails with BAD_HANDLE, WRONG_TYPE and ACCESS_DENIED, in this order (clause O-31),
/// before it looks at other arguments, except where a clause says otherwise. After that it fails as
/// the method of [VmObject] of the same name does.
public final class VmoCalls {
    /// Size of the record that LOCK writes (clause O-110), in bytes.
    public static final int LOCK_STATE_BYTES = 32;

    private static final ValueLayout.OfLong WORD =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int COW_TYPES =
            VmoChildOption.bits(
                    VmoChildOption.SNAPSHOT,
                    VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE,
                    VmoChildOption.SNAPSHOT_MODIFIED);

    private final Machine machine;
    private final HandleTable handles;

    /// Serves a process.
    ///
    /// @param machine where its objects are made
    /// @param handles its handles
    public VmoCalls(Machine machine, HandleTable handles) {
        this.machine = machine;
        this.handles = handles;
    }

    // ---- making

    /// Makes an object of zeros (clauses O-16 to O-22).
    ///
    /// @param sizeBytes as [VmObject#create(Machine, long, VmoOption...)]
    /// @param options the bits of some [VmoOption]
    /// @return a handle with the default rights, and RESIZE if resizable (clause O-32)
    /// @throws ZxException as [VmObject#create(Machine, long, VmoOption...)], INVALID_ARGS for an
    ///   unknown bit as for TRAP_DIRTY; NO_MEMORY when there is no handle left
    public int create(long sizeBytes, int options) {
        VmoOption[] known = VmoOption.ofBits(options, sizeBytes);
        VmObject vmo = VmObject.create(machine, sizeBytes, known);
        return handleTo(vmo, vmo.isResizable() ? Rights.RESIZE : Rights.NONE);
    }

    /// Makes an object of consecutive frames (clause O-26). This system has no bus initiators, so
    /// no handle of one is asked for.
    ///
    /// @param sizeBytes as [VmObject#createContiguous]
    /// @param alignShift as [VmObject#createContiguous]
    /// @return a handle with the default rights
    /// @throws ZxException as [VmObject#createContiguous]; NO_MEMORY when there is no handle left
    public int createContiguous(long sizeBytes, int alignShift) {
        return handleTo(VmObject.createContiguous(machine, sizeBytes, alignShift), Rights.NONE);
    }

    private int handleTo(VmObject vmo, int moreRights) {
        return add(vmo, ObjectType.VMO.defaultRights() | moreRights);
    }

    private int add(VmObject vmo, int rights) {
        try {
            return handles.add(vmo, rights);
        } catch (RuntimeException noHandle) {
            vmo.close();
            throw noHandle;
        }
    }

    /// Makes a child and a handle to it (section 9 of the contract).
    ///
    /// @param vmo the parent; needs DUPLICATE and READ, and RESIZE for REFERENCE with RESIZABLE
    /// @param options the bits of some [VmoChildOption]
    /// @param offset as [VmObject#createChild]
    /// @param sizeBytes as [VmObject#createChild]
    /// @return a handle whose rights follow from the parent's (clause O-34)
    /// @throws ZxException OUT_OF_RANGE when the size wraps and INVALID_ARGS for NO_WRITE with
    ///   RESIZABLE come before the handle (clause O-130); INVALID_ARGS for an unknown bit;
    ///   NO_MEMORY when there is no handle left
    public int createChild(int vmo, int options, long offset, long sizeBytes) {
        int unknown = options;
        Set<VmoChildOption> known = EnumSet.noneOf(VmoChildOption.class);
        for (VmoChildOption option : VmoChildOption.values()) {
            if ((options & option.bit()) != 0) {
                known.add(option);
                unknown &= ~option.bit();
            }
        }
        ChildOp.requireSizeAndWritability(known, sizeBytes);
        boolean resizable = known.contains(VmoChildOption.RESIZABLE);
        boolean needsResize = resizable && known.contains(VmoChildOption.REFERENCE);
        VmObject parent =
                handles.get(
                        vmo,
                        VmObject.class,
                        Rights.DUPLICATE | Rights.READ | (needsResize ? Rights.RESIZE : 0));
        int parentRights = handles.rights(vmo);
        if (unknown != 0 && !parent.isDiscardable()) {
            throw VmErrors.invalidArgs(
                    "O-131", "options=" + hex(options) + " have unknown bits " + hex(unknown));
        }
        VmObject child = parent.createChild(known, offset, sizeBytes);
        if (!Rights.contains(parentRights, Rights.GET_PROPERTY)) {
            child.setName(""); // clause O-36
        }
        return add(child, childRights(parentRights, options));
    }

    /// The rights of a handle to a child (clause O-34).
    ///
    /// @param parentRights rights of the handle that the parent was named by
    /// @param options the bits of some [VmoChildOption]
    /// @return a set of [Rights]
    static int childRights(int parentRights, int options) {
        int rights = parentRights & ~Rights.RESIZE;
        if ((options & VmoChildOption.RESIZABLE.bit()) != 0) {
            rights |= Rights.RESIZE;
        }
        rights |= Rights.PROPERTY;
        if ((options & VmoChildOption.NO_WRITE.bit()) != 0) {
            rights &= ~Rights.WRITE;
        } else if ((options & COW_TYPES) != 0) {
            rights = (rights & ~Rights.EXECUTE) | Rights.WRITE;
        }
        return rights;
    }

    // ---- bytes and sizes

    /// Copies bytes out.
    ///
    /// @param vmo a memory object; needs READ
    /// @param offset as [VmObject#read(long, MemorySegment)]
    /// @param target as [VmObject#read(long, MemorySegment)]
    /// @throws ZxException as the class says
    public void read(int vmo, long offset, MemorySegment target) {
        handles.get(vmo, VmObject.class, Rights.READ).read(offset, target);
    }

    /// Copies bytes in.
    ///
    /// @param vmo a memory object; needs WRITE
    /// @param offset as [VmObject#write(long, MemorySegment)]
    /// @param source as [VmObject#write(long, MemorySegment)]
    /// @throws ZxException as the class says
    public void write(int vmo, long offset, MemorySegment source) {
        handles.get(vmo, VmObject.class, Rights.WRITE).write(offset, source);
    }

    /// The size (clause O-51).
    ///
    /// @param vmo a memory object; needs no right
    /// @return bytes, a multiple of the page size
    /// @throws ZxException as the class says
    public long size(int vmo) {
        return handles.get(vmo, VmObject.class, Rights.NONE).sizeBytes();
    }

    /// Changes the size (clause O-52).
    ///
    /// @param vmo a memory object; needs WRITE, and RESIZE if the object is resizable
    /// @param newSizeBytes as [VmObject#setSize]
    /// @throws ZxException as the class says
    public void setSize(int vmo, long newSizeBytes) {
        VmObject object = handles.get(vmo, VmObject.class, Rights.WRITE);
        if (object.isResizable()) {
            handles.get(vmo, VmObject.class, Rights.RESIZE);
        }
        object.setSize(newSizeBytes);
    }

    /// The stream size (clause O-62).
    ///
    /// @param vmo a memory object; needs no right
    /// @return bytes; 0 for physical and contiguous objects
    /// @throws ZxException as the class says
    public long streamSize(int vmo) {
        return handles.get(vmo, VmObject.class, Rights.NONE).streamSizeBytes();
    }

    /// Changes the stream size (clause O-64).
    ///
    /// @param vmo a memory object; needs WRITE
    /// @param newStreamSizeBytes as [VmObject#setStreamSize]
    /// @throws ZxException as the class says
    public void setStreamSize(int vmo, long newStreamSizeBytes) {
        handles.get(vmo, VmObject.class, Rights.WRITE).setStreamSize(newStreamSizeBytes);
    }

    // ---- the rest

    /// Does something to a range (section 7 of the contract).
    ///
    /// @param vmo a memory object; which right it needs, depends on the operation (clause O-71)
    /// @param op the number of a [VmoOp]
    /// @param offset first byte
    /// @param len how many bytes
    /// @param buffer where LOCK writes its record; other operations ignore it (clause O-75)
    /// @throws ZxException as the class says; INVALID_ARGS for an unknown operation, after the
    ///   handle was looked up
    public void opRange(int vmo, int op, long offset, long len, @Nullable MemorySegment buffer) {
        VmObject object = handles.get(vmo, VmObject.class, Rights.NONE);
        VmoOp known = VmoOp.ofValue(op);
        if (known == null) {
            throw VmErrors.invalidArgs("O-70", "op=" + op + " is no operation");
        }
        requireRight(vmo, known);
        switch (known) {
            case COMMIT -> object.commit(offset, len);
            case DECOMMIT -> object.decommit(offset, len);
            case ZERO -> object.zero(offset, len);
            case PREFETCH -> object.prefetch(offset, len);
            case DONT_NEED -> object.hint(VmoHint.DONT_NEED, offset, len);
            case ALWAYS_NEED -> object.hint(VmoHint.ALWAYS_NEED, offset, len);
            case CACHE_SYNC, CACHE_INVALIDATE, CACHE_CLEAN, CACHE_CLEAN_INVALIDATE ->
                    cacheOp(object, offset, len);
            case LOCK -> {
                requireWholeDiscardable(object, offset, len);
                lock(object, offset, len, buffer);
            }
            case TRY_LOCK -> {
                requireWholeDiscardable(object, offset, len);
                if (!object.tryLockContents()) {
                    throw ZxException.of(
                            ZxStatus.UNAVAILABLE,
                            "O-109",
                            "vmo",
                            object.toString(),
                            "is discarded");
                }
            }
            case UNLOCK -> {
                requireWholeDiscardable(object, offset, len);
                object.unlockContents();
            }
        }
    }

    private void requireRight(int vmo, VmoOp op) {
        int needed =
                switch (op) {
                    case COMMIT, DECOMMIT, ZERO, CACHE_INVALIDATE -> Rights.WRITE;
                    case CACHE_SYNC, CACHE_CLEAN, CACHE_CLEAN_INVALIDATE, PREFETCH -> Rights.READ;
                    case DONT_NEED, ALWAYS_NEED -> Rights.NONE;
                    case LOCK, TRY_LOCK, UNLOCK -> // either will do
                            (handles.rights(vmo) & Rights.WRITE) != 0 ? Rights.WRITE : Rights.READ;
                };
        handles.get(vmo, VmObject.class, needed);
    }

    /// The machine's caches are coherent, so that only the checks are left (clauses O-113 to
    /// O-115).
    private static void cacheOp(VmObject vmo, long offset, long len) {
        if (len == 0) {
            throw VmErrors.invalidArgs("O-113", "len=0 names no cache line");
        }
        vmo.requireInside("O-114", offset, len);
        if (!vmo.isPaged()) {
            throw VmErrors.notSupported("O-115", vmo + " is physical");
        }
    }

    private static void requireWholeDiscardable(VmObject vmo, long offset, long len) {
        if (!vmo.isDiscardable()) {
            throw VmErrors.notSupported("O-108", vmo + " is not discardable");
        }
        if (offset != 0 || len != vmo.sizeBytes()) {
            throw VmErrors.outOfRange(
                    "O-108",
                    "offset=" + hex(offset) + " len=" + hex(len) + " is not all of " + vmo);
        }
    }

    /// Clauses O-110 and O-111: the buffer is looked at first, so that nothing has to be undone.
    private static void lock(VmObject vmo, long offset, long len, @Nullable MemorySegment buffer) {
        if (buffer == null || buffer.byteSize() < LOCK_STATE_BYTES || buffer.isReadOnly()) {
            throw VmErrors.invalidArgs(
                    "O-111", "buffer=" + buffer + " does not take " + LOCK_STATE_BYTES + " bytes");
        }
        boolean discarded = vmo.lockContents();
        buffer.set(WORD, 0, offset);
        buffer.set(WORD, 8, len);
        buffer.set(WORD, 16, 0);
        buffer.set(WORD, 24, discarded ? len : 0);
    }

    /// Changes the cache policy (clause O-238).
    ///
    /// @param vmo a memory object; needs MAP
    /// @param policy the number of a [CachePolicy]
    /// @throws ZxException INVALID_ARGS for another number, before the handle is looked at; then as
    ///   the class says
    public void setCachePolicy(int vmo, int policy) {
        if (policy < 0 || policy >= CachePolicy.values().length) {
            throw VmErrors.invalidArgs("O-238", "policy=" + policy + " is not in 0..3");
        }
        handles.get(vmo, VmObject.class, Rights.MAP).setCachePolicy(CachePolicy.values()[policy]);
    }

    /// Puts a handle that may also execute in the place of one (clause O-244). This system has no
    /// resources that would allow it, so everybody may.
    ///
    /// @param vmo a memory object; consumed in any case, if it is a handle
    /// @return a handle with the same rights and EXECUTE
    /// @throws ZxException BAD_HANDLE, also when it is no memory object; NO_MEMORY when there is no
    ///   handle left
    public int replaceAsExecutable(int vmo) {
        int rights = handles.rights(vmo);
        try {
            VmObject object = handles.get(vmo, VmObject.class, Rights.NONE);
            return handles.add(object, rights | Rights.EXECUTE);
        } catch (ZxException e) {
            if (e.status() == ZxStatus.WRONG_TYPE) {
                throw new ZxException(
                        ZxStatus.BAD_HANDLE,
                        "O-244",
                        "vmo=" + hex(vmo) + " is no memory object",
                        e);
            }
            throw e;
        } finally {
            handles.close(vmo);
        }
    }

    /// The info topic VMO (clause O-215).
    ///
    /// @param vmo a memory object; needs INSPECT
    /// @return what it is and what it costs
    /// @throws ZxException as the class says
    public VmoInfo info(int vmo) {
        return handles.get(vmo, VmObject.class, Rights.INSPECT).info();
    }
}
