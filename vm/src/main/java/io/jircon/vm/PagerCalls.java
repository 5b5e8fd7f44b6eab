package io.jircon.vm;

import static io.jircon.vm.VmoMath.hex;

import io.jircon.kobject.HandleTable;
import io.jircon.kobject.ObjectType;
import io.jircon.kobject.Rights;
import io.jircon.kobject.ZxException;
import java.util.List;

/// The operations of pagers as system calls of one process: they name objects by handles, and a
/// handle's rights decide first (section 18 of the contract).
///
/// Every call fails with BAD_HANDLE, WRONG_TYPE and ACCESS_DENIED, in this order (clause O-31), for
/// its handles from left to right; calls that take a range of pages look at its alignment before.
/// After that it fails as the method of [Pager] of the same name does. Where Zircon names a port,
/// requests go to a [PageRequestQueue].
public final class PagerCalls {
    /// Option of [#queryVmoStats]: whether the object is modified starts anew.
    public static final int RESET_VMO_STATS = 1;

    private final Machine machine;
    private final HandleTable handles;

    /// Serves a process.
    ///
    /// @param machine where its objects are made
    /// @param handles its handles
    public PagerCalls(Machine machine, HandleTable handles) {
        this.machine = machine;
        this.handles = handles;
    }

    /// Makes a pager (clause O-268).
    ///
    /// @param options 0
    /// @return a handle with the default rights, ATTACH_VMO and MANAGE_VMO among them
    /// @throws ZxException INVALID_ARGS for options; NO_MEMORY when there is no handle left
    public int create(int options) {
        if (options != 0) {
            throw VmErrors.invalidArgs("O-268", "options=" + hex(options) + " are not 0");
        }
        Pager pager = Pager.create(machine);
        try {
            return handles.add(pager, ObjectType.PAGER.defaultRights());
        } catch (RuntimeException noHandle) {
            pager.close();
            throw noHandle;
        }
    }

    /// Makes a memory object (clause O-269).
    ///
    /// @param pager a pager; needs ATTACH_VMO
    /// @param options the bits of some [VmoOption]
    /// @param queue as [Pager#createVmo]
    /// @param key as [Pager#createVmo]
    /// @param sizeBytes as [Pager#createVmo]
    /// @return a handle with the default rights of memory objects, and RESIZE if resizable
    /// @throws ZxException as the class says; INVALID_ARGS for an unknown bit; NO_MEMORY when there
    ///   is no handle left
    public int createVmo(int pager, int options, PageRequestQueue queue, long key, long sizeBytes) {
        Pager object = handles.get(pager, Pager.class, Rights.ATTACH_VMO);
        object.requireOpen();
        VmoOption[] known = VmoOption.ofBits(options, sizeBytes);
        VmObject vmo = object.createVmo(queue, key, sizeBytes, known);
        int rights = ObjectType.VMO.defaultRights() | (vmo.isResizable() ? Rights.RESIZE : 0);
        try {
            return handles.add(vmo, rights);
        } catch (RuntimeException noHandle) {
            vmo.close();
            throw noHandle;
        }
    }

    /// Moves pages in (clause O-279).
    ///
    /// @param pager a pager; needs MANAGE_VMO
    /// @param vmo an object of the pager's; needs WRITE
    /// @param offset as [Pager#supplyPages]
    /// @param len as [Pager#supplyPages]
    /// @param aux where the pages come from; needs READ and WRITE, and is looked at last
    /// @param auxOffset as [Pager#supplyPages]
    /// @throws ZxException as the class says
    public void supplyPages(int pager, int vmo, long offset, long len, int aux, long auxOffset) {
        Pager.requireAligned("O-279", "offset", offset);
        Pager.requireAligned("O-279", "len", len);
        Pager.requireAligned("O-279", "auxOffset", auxOffset);
        Pager object = handles.get(pager, Pager.class, Rights.MANAGE_VMO);
        VmObject mine = handles.get(vmo, VmObject.class, Rights.WRITE);
        object.requireMine("O-279", mine);
        VmObject from = handles.get(aux, VmObject.class, Rights.READ | Rights.WRITE);
        object.supplyPages(mine, offset, len, from, auxOffset);
    }

    /// Says something about a range (clause O-283).
    ///
    /// @param pager a pager; needs MANAGE_VMO
    /// @param op the number of a [PagerOp]
    /// @param vmo an object of the pager's; needs WRITE
    /// @param offset as [Pager#opRange]
    /// @param len as [Pager#opRange]
    /// @param data as [Pager#opRange]
    /// @throws ZxException as the class says; NOT_SUPPORTED for an unknown operation, after the
    ///   object was found to be the pager's
    public void opRange(int pager, int op, int vmo, long offset, long len, long data) {
        Pager.requireAligned("O-283", "offset", offset);
        Pager.requireAligned("O-283", "len", len);
        Pager object = handles.get(pager, Pager.class, Rights.MANAGE_VMO);
        VmObject mine = handles.get(vmo, VmObject.class, Rights.WRITE);
        object.requireMine("O-283", mine);
        PagerOp known = PagerOp.ofValue(op);
        if (known == null) {
            throw VmErrors.notSupported("O-283", "op=" + op + " is no operation");
        }
        object.opRange(known, mine, offset, len, data);
    }

    /// Has nothing more to do with an object (clause O-303).
    ///
    /// @param pager a pager; needs ATTACH_VMO and MANAGE_VMO
    /// @param vmo an object of the pager's; needs WRITE
    /// @throws ZxException as the class says
    public void detachVmo(int pager, int vmo) {
        Pager object = handles.get(pager, Pager.class, Rights.ATTACH_VMO | Rights.MANAGE_VMO);
        object.detachVmo(handles.get(vmo, VmObject.class, Rights.WRITE));
    }

    /// What has to be written back (clause O-301).
    ///
    /// @param pager a pager; needs MANAGE_VMO
    /// @param vmo an object of the pager's; needs READ
    /// @param offset as [Pager#queryDirtyRanges]
    /// @param len as [Pager#queryDirtyRanges]
    /// @return as [Pager#queryDirtyRanges]
    /// @throws ZxException as the class says
    public List<DirtyRange> queryDirtyRanges(int pager, int vmo, long offset, long len) {
        Pager object = handles.get(pager, Pager.class, Rights.MANAGE_VMO);
        return object.queryDirtyRanges(handles.get(vmo, VmObject.class, Rights.READ), offset, len);
    }

    /// Whether an object was changed (clause O-302).
    ///
    /// @param pager a pager; needs MANAGE_VMO
    /// @param vmo an object of the pager's; needs READ
    /// @param options 0 or [#RESET_VMO_STATS]
    /// @return as it was before a reset
    /// @throws ZxException as the class says; then INVALID_ARGS for other options
    public PagerVmoStats queryVmoStats(int pager, int vmo, int options) {
        Pager object = handles.get(pager, Pager.class, Rights.MANAGE_VMO);
        VmObject mine = handles.get(vmo, VmObject.class, Rights.READ);
        object.requireMine("O-302", mine);
        if ((options & ~RESET_VMO_STATS) != 0) {
            throw VmErrors.invalidArgs("O-302", "options=" + hex(options) + " are not 0 or 1");
        }
        return options == RESET_VMO_STATS
                ? object.queryAndResetVmoStats(mine)
                : object.queryVmoStats(mine);
    }
}
