package io.jircon.vm;

import io.jircon.hal.MmuFlags;
import io.jircon.kobject.HandleTable;
import io.jircon.kobject.Rights;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The region operations as system calls of one process: they name regions and memory objects by
/// handles, and a handle's rights decide first (section 5 of the contract).
///
/// Every call fails with BAD_HANDLE, WRONG_TYPE and ACCESS_DENIED, in this order, before it looks
/// at other arguments, except where it or a clause says otherwise (clauses V-291 to V-299). After
/// that it fails as the method of [VmAddressRegion] of the same name does.
public final class VmarCalls {
    private static final int REFUSED_FOR_CLOCKS =
            VmarFlags.PERM_WRITE.bits()
                    | VmarFlags.PERM_EXECUTE.bits()
                    | VmarFlags.PERM_READ_IF_XOM_UNSUPPORTED.bits();

    private final HandleTable handles;

    /// Serves a process.
    ///
    /// @param handles its handles
    public VmarCalls(HandleTable handles) {
        this.handles = handles;
    }

    /// The rights of a handle to a new region (clause V-51): those that do not depend on the
    /// region, and READ, WRITE and EXECUTE as the region may be mapped.
    ///
    /// @param region the region
    /// @return a set of [Rights]
    public static int handleRights(VmAddressRegion region) {
        return Rights.TRANSFER
                | Rights.DUPLICATE
                | Rights.INSPECT
                | Rights.OP_CHILDREN
                | rightsFor(region.mappable());
    }

    /// What `vmar_allocate` gives.
    ///
    /// @param handle a handle to the new region
    /// @param baseAddress address of its first byte, unsigned
    public record Allocated(int handle, long baseAddress) {}

    /// Makes a sub-region and a handle to it (section 6 of the contract).
    ///
    /// @param parent a region; needs READ, WRITE, EXECUTE for the CAN_MAP options asked for
    /// @param options as [VmAddressRegion#allocate]
    /// @param offset as [VmAddressRegion#allocate]
    /// @param sizeBytes as [VmAddressRegion#allocate]
    /// @return a handle with the rights of [#handleRights]
    /// @throws io.jircon.kobject.ZxException as the class says; NO_MEMORY when there is no handle
    ///   left, and then no region was made
    public Allocated allocate(int parent, int options, long offset, long sizeBytes) {
        var flags = new VmarFlags(options);
        int needed = rightsFor(flags.mappablePermissions());
        VmAddressRegion region =
                handles.get(parent, VmAddressRegion.class, needed)
                        .allocate(flags, offset, sizeBytes);
        try {
            return new Allocated(handles.add(region, handleRights(region)), region.baseAddress());
        } catch (RuntimeException noHandle) {
            region.destroy();
            throw noHandle;
        }
    }

    /// Maps a memory object (section 7 of the contract). What the mapping may be given later is
    /// what both handles allow now (clause V-107).
    ///
    /// @param vmar a region; needs READ, WRITE, EXECUTE for the permissions asked for
    /// @param options as [VmAddressRegion#map(VmarFlags, long, VmObject, long, long, MmuFlags)]
    /// @param regionOffset as there
    /// @param vmo a memory object; needs MAP, and READ, WRITE, EXECUTE for the permissions
    /// @param vmoOffset as there
    /// @param len as there
    /// @return address of the first byte
    /// @throws io.jircon.kobject.ZxException BAD_HANDLE, WRONG_TYPE for the region, then for the
    ///   memory object; NOT_SUPPORTED for FAULT_BEYOND_STREAM_SIZE; ACCESS_DENIED without MAP; then
    ///   as there
    public long map(int vmar, int options, long regionOffset, int vmo, long vmoOffset, long len) {
        VmAddressRegion region = handles.get(vmar, VmAddressRegion.class, Rights.NONE);
        VmObject object = handles.get(vmo, VmObject.class, Rights.NONE);
        var range = new MapRange(new VmarFlags(options), regionOffset, vmoOffset, len);
        return map(range, region, handles.rights(vmar), object, handles.rights(vmo));
    }

    /// What is mapped where, before anything was looked up.
    private record MapRange(VmarFlags options, long regionOffset, long vmoOffset, long len) {}

    /// The rows of map from V-82 on.
    private static long map(
            MapRange range,
            VmAddressRegion region,
            int regionRights,
            VmObject object,
            int objectRights) {
        var op =
                new MapOp(
                        region,
                        range.options,
                        range.regionOffset,
                        object,
                        range.vmoOffset,
                        range.len,
                        permissionsFor(regionRights & objectRights));
        op.requireStreamFaultsPossible();
        if (!Rights.contains(objectRights, Rights.MAP)) {
            throw VmErrors.accessDenied("V-83", "the handle of " + object + " lacks MAP");
        }
        return op.run();
    }

    /// Maps what a clock publishes, for reading only (clauses V-120 and V-121).
    ///
    /// @param vmar a region; needs READ for PERM_READ
    /// @param options as [#map], without PERM_WRITE, PERM_EXECUTE, PERM_READ_IF_XOM_UNSUPPORTED
    /// @param regionOffset as [#map]
    /// @param clock a mappable clock; needs MAP, and READ for PERM_READ
    /// @param len [Clock#MAPPED_SIZE_BYTES]
    /// @return address of the first byte
    /// @throws io.jircon.kobject.ZxException in this order: INVALID_ARGS for the options that may
    ///   not be given, then for another length; BAD_HANDLE, WRONG_TYPE for the clock; INVALID_ARGS
    ///   when it is not mappable; BAD_HANDLE, WRONG_TYPE for the region; ACCESS_DENIED without MAP;
    ///   then as [#map]
    public long mapClock(int vmar, int options, long regionOffset, int clock, long len) {
        var flags = new VmarFlags(options);
        if (flags.hasAny(REFUSED_FOR_CLOCKS)) {
            throw VmErrors.invalidArgs("V-120", "options=" + flags + " ask for more than reading");
        }
        if (len != Clock.MAPPED_SIZE_BYTES) {
            throw VmErrors.invalidArgs(
                    "V-120",
                    "len="
                            + VmoMath.hex(len)
                            + " is not the size of a clock, "
                            + VmoMath.hex(Clock.MAPPED_SIZE_BYTES));
        }
        VmObject page = handles.get(clock, Clock.class, Rights.NONE).page();
        if (page == null) {
            throw VmErrors.invalidArgs("V-120", "clock=" + clock + " was not made to be mapped");
        }
        VmAddressRegion region = handles.get(vmar, VmAddressRegion.class, Rights.NONE);
        int pageRights = handles.rights(clock) & (Rights.READ | Rights.MAP);
        var range = new MapRange(flags, regionOffset, 0, len);
        return map(range, region, handles.rights(vmar), page, pageRights);
    }

    /// Maps a part of a region of an IO buffer (clause V-122).
    ///
    /// @param vmar a region; needs READ, WRITE for the permissions asked for
    /// @param options as [#map]
    /// @param regionOffset as [#map]
    /// @param iob an endpoint; needs MAP, and READ, WRITE for the permissions
    /// @param index which region of the buffer, unsigned
    /// @param offset offset in that region, as the offset in a memory object of [#map]
    /// @param len as [#map]
    /// @return address of the first byte
    /// @throws io.jircon.kobject.ZxException in this order: BAD_HANDLE, WRONG_TYPE for the region,
    ///   then for the endpoint; OUT_OF_RANGE when the buffer has no such region; ACCESS_DENIED
    ///   without MAP; then as [#map], with the access that the buffer grants the endpoint
    public long mapIob(
            int vmar, int options, long regionOffset, int iob, int index, long offset, long len) {
        VmAddressRegion region = handles.get(vmar, VmAddressRegion.class, Rights.NONE);
        IoBuffer buffer = handles.get(iob, IoBuffer.class, Rights.NONE);
        if (Integer.compareUnsigned(index, buffer.regionCount()) >= 0) {
            throw VmErrors.outOfRange(
                    "V-122",
                    "index="
                            + Integer.toUnsignedString(index)
                            + " is none of the "
                            + buffer.regionCount()
                            + " regions");
        }
        var range = new MapRange(new VmarFlags(options), regionOffset, offset, len);
        int rights = buffer.mapRights(handles.rights(iob), index);
        return map(range, region, handles.rights(vmar), buffer.region(index), rights);
    }

    /// Unmaps a range (section 9 of the contract).
    ///
    /// @param vmar a region; sub-regions need OP_CHILDREN
    /// @param vaddr as [VmAddressRegion#unmap]
    /// @param len as [VmAddressRegion#unmap]
    /// @throws io.jircon.kobject.ZxException as the class says; INVALID_ARGS when the range touches
    ///   a sub-region without OP_CHILDREN
    public void unmap(int vmar, long vaddr, long len) {
        VmAddressRegion region = handles.get(vmar, VmAddressRegion.class, Rights.NONE);
        RegionChanges.unmap(region, vaddr, len, mayTouchRegions(vmar));
    }

    /// Changes permissions (section 10 of the contract).
    ///
    /// @param vmar a region; needs READ, WRITE, EXECUTE for the permissions asked for; sub-regions
    ///   need OP_CHILDREN
    /// @param options as [VmAddressRegion#protect]
    /// @param vaddr as [VmAddressRegion#protect]
    /// @param len as [VmAddressRegion#protect]
    /// @throws io.jircon.kobject.ZxException as the class says; INVALID_ARGS when the range touches
    ///   a mapping in a sub-region without OP_CHILDREN
    public void protect(int vmar, int options, long vaddr, long len) {
        VmAddressRegion region = handles.get(vmar, VmAddressRegion.class, Rights.NONE);
        VmarFlags flags = region.aspace().withReadForExecuteOnly(new VmarFlags(options));
        int needed = rightsFor(flags.permissions());
        if (!Rights.contains(handles.rights(vmar), needed)) {
            throw VmErrors.accessDenied(
                    "V-141",
                    "the handle of "
                            + region
                            + " lacks "
                            + Rights.toString(needed & ~handles.rights(vmar)));
        }
        ProtectOp.run(region, flags, vaddr, len, mayTouchRegions(vmar));
    }

    /// Destroys a region (section 11 of the contract).
    ///
    /// @param vmar a region; needs OP_CHILDREN
    /// @throws io.jircon.kobject.ZxException as the class says
    public void destroy(int vmar) {
        handles.get(vmar, VmAddressRegion.class, Rights.OP_CHILDREN).destroy();
    }

    /// Does something to the memory behind a range (section 12 of the contract).
    ///
    /// @param vmar a region; mappings in sub-regions need OP_CHILDREN
    /// @param op the number of a [VmarOp]
    /// @param vaddr as [VmAddressRegion#opRange]
    /// @param len as [VmAddressRegion#opRange]
    /// @param buffer null: no operation takes one
    /// @param bufferSizeBytes 0
    /// @throws io.jircon.kobject.ZxException as the class says; INVALID_ARGS for an unknown
    ///   operation, then for a buffer
    public void opRange(
            int vmar,
            int op,
            long vaddr,
            long len,
            @Nullable MemorySegment buffer,
            long bufferSizeBytes) {
        VmAddressRegion region = handles.get(vmar, VmAddressRegion.class, Rights.NONE);
        VmarOp known = VmarOp.ofValue(op);
        if (known == null) {
            throw VmErrors.invalidArgs("V-171", "op=" + op + " is no operation");
        }
        if (buffer != null || bufferSizeBytes != 0) {
            throw VmErrors.invalidArgs(
                    "V-172",
                    "buffer of bufferSize="
                            + Long.toUnsignedString(bufferSizeBytes)
                            + " given to "
                            + known
                            + ", which takes none");
        }
        RangeOp.run(region, known, vaddr, len, mayTouchRegions(vmar));
    }

    /// Gives a region and everything below it a memory priority (clauses V-272 and V-273).
    ///
    /// @param vmar a region; needs OP_CHILDREN
    /// @param profile a memory profile; needs APPLY_PROFILE
    /// @param options 0
    /// @throws io.jircon.kobject.ZxException in the kernel's order: INVALID_ARGS for other options;
    ///   BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED for the profile, then for the region; BAD_STATE when
    ///   the region is dead
    public void setProfile(int vmar, int profile, int options) {
        if (options != 0) {
            throw VmErrors.invalidArgs("V-272", "options=" + options + " is not 0");
        }
        MemoryPriority priority =
                handles.get(profile, MemoryProfile.class, Rights.APPLY_PROFILE).priority();
        handles.get(vmar, VmAddressRegion.class, Rights.OP_CHILDREN).setMemoryPriority(priority);
    }

    /// The info topic VMAR (clause V-220).
    ///
    /// @param vmar a region, also a dead one; needs INSPECT
    /// @return base and length
    /// @throws io.jircon.kobject.ZxException as the class says
    public VmarInfo info(int vmar) {
        return handles.get(vmar, VmAddressRegion.class, Rights.INSPECT).info();
    }

    /// A listing cut to what the caller has room for (clause V-223).
    ///
    /// @param entries as many as there was room for, from the first on
    /// @param available how many there are
    public record Listing(List<MapEntry> entries, int available) {
        /// Copies the entries.
        public Listing {
            entries = List.copyOf(entries);
        }

        static Listing of(List<MapEntry> all, int capacity) {
            return new Listing(all.subList(0, Math.clamp(capacity, 0, all.size())), all.size());
        }
    }

    /// The info topic VMAR_MAPS (clause V-221).
    ///
    /// @param vmar a region; needs INSPECT
    /// @param capacity how many entries the caller has room for; 0 is allowed
    /// @return the first entries, and how many there are
    /// @throws io.jircon.kobject.ZxException as the class says; BAD_STATE when the region is dead
    public Listing maps(int vmar, int capacity) {
        return Listing.of(
                handles.get(vmar, VmAddressRegion.class, Rights.INSPECT).maps(), capacity);
    }

    private boolean mayTouchRegions(int vmar) {
        return Rights.contains(handles.rights(vmar), Rights.OP_CHILDREN);
    }

    private static int rightsFor(MmuFlags permissions) {
        return (permissions.canRead() ? Rights.READ : 0)
                | (permissions.canWrite() ? Rights.WRITE : 0)
                | (permissions.canExecute() ? Rights.EXECUTE : 0);
    }

    private static MmuFlags permissionsFor(int rights) {
        return MmuFlags.of(
                (Rights.contains(rights, Rights.READ) ? MmuFlags.READ_BIT : 0)
                        | (Rights.contains(rights, Rights.WRITE) ? MmuFlags.WRITE_BIT : 0)
                        | (Rights.contains(rights, Rights.EXECUTE) ? MmuFlags.EXECUTE_BIT : 0));
    }
}
