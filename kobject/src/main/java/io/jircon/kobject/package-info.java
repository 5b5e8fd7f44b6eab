/// Kernel objects: koids, types, names, handles, rights, signals, statuses. Nothing here knows
/// memory.
///
/// Start with [io.jircon.kobject.Kernel]: one system. Its objects extend
/// [io.jircon.kobject.KObjectBase]; users reach them through numbers in a
/// [io.jircon.kobject.HandleTable], each with its [io.jircon.kobject.Rights], and wait for their
/// [io.jircon.kobject.Signals]. What fails throws a [io.jircon.kobject.ZxException] with a
/// [io.jircon.kobject.ZxStatus].
///
/// {@snippet :
/// Kernel kernel = Kernel.create();
/// HandleTable table = new HandleTable(kernel);
/// int handle = table.add(new Event(kernel), ObjectType.EVENT.defaultRights());
/// table.signal(handle, Signals.NONE, Signals.SIGNALED);
/// WaitResult result = table.waitOne(handle, Signals.SIGNALED, Kernel.INFINITE);
/// table.close(handle);
/// }
///
/// Locking: a table's lock, then an object's state lock. Hooks and observers run with neither held.
package io.jircon.kobject;
