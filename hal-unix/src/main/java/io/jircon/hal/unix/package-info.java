/// The host's own memory as a machine.
///
/// Two HALs, found by name through `io.jircon.hal.Hals`:
///
/// - `unix-file`, on any system, pure Java: frames in a memory-mapped file, page tables on the
///   heap, the software MMU of `io.jircon.hal`.
/// - `unix-mmap`, on Linux, through the foreign-function API: frames in a memfd or a file, every
///   mapping a real `mmap` of it at the real address with the real protection, accesses through
///   `process_vm_readv` and `process_vm_writev`, so that the host's MMU decides and a refusal comes
///   back as a page fault. Java code never touches such an address itself.
///
/// Where the kernel allows it (`userfaultfd`: root, or access to `/dev/userfaultfd`), `unix-mmap`
/// has the host hold an access whose page is not there, or a write to a page that may only be read,
/// until a thread of the machine has had the fault resolved: demand paging and copy-on-write as the
/// kernel does them. Who accesses sees no fault; the price is two changes of thread for each. With
/// option `faults=efault`, and elsewhere, the access comes back and its own thread resolves the
/// fault, which is faster. Only address spaces with a fault handler are concerned, as those of
/// `io.jircon.vm` are.
///
/// With option `faults=minor` the first access to each page that has an entry is held as well, and
/// the first after a harvest of accessed pages: the fault handler is told, and the page is entered
/// in the host's own table. It is for who wants to see each such access at once; which pages were
/// accessed the processors note by themselves, for less, whatever the mode. Not held is an access
/// to a frame that nobody has used since the machine was made, which the host makes then and
/// enters.
///
/// What a debugger reads (`ptrace`, `/proc/<pid>/mem`) the host does not hold but refuses, at each
/// page where an access would be held: with `faults=minor` at each page that was not accessed yet.
///
/// Both can keep their frames in a file that outlives the JVM (option `file`), together with the
/// map of those that are handed out and a word of the user's: [io.jircon.hal.unix.FrameFile].
///
/// Locking: a page table's lock is a leaf. On `unix-mmap` a change of a table waits for the
/// accesses under way, and pinned views of a range end before its entries do. An access that is
/// held is not waited for, and whoever resolves its fault may change any table.
package io.jircon.hal.unix;
