package io.jircon.kobject;

/// The types of kernel object, with their numbers (clause K-16) and the rights a new handle gets
/// (clause K-46). Types that this kernel does not make have no default rights.
public enum ObjectType {
    /// No object.
    NONE(0, Rights.NONE),
    /// A process.
    PROCESS(
            1,
            Rights.BASIC
                    | Rights.IO
                    | Rights.PROPERTY
                    | Rights.ENUMERATE
                    | Rights.DESTROY
                    | Rights.SIGNAL
                    | Rights.MANAGE_PROCESS
                    | Rights.MANAGE_THREAD),
    /// Thread (type id 2).
    THREAD(
            2,
            Rights.BASIC
                    | Rights.IO
                    | Rights.PROPERTY
                    | Rights.DESTROY
                    | Rights.SIGNAL
                    | Rights.MANAGE_THREAD),
    /// A memory object.
    VMO(3, Rights.BASIC | Rights.IO | Rights.PROPERTY | Rights.MAP | Rights.SIGNAL),
    /// Channel (type id 4).
    CHANNEL(
            4,
            Rights.IO
                    | Rights.TRANSFER
                    | Rights.SIGNAL
                    | Rights.SIGNAL_PEER
                    | Rights.WAIT
                    | Rights.INSPECT),
    /// Event (type id 5).
    EVENT(5, Rights.BASIC | Rights.SIGNAL),
    /// Port (type id 6).
    PORT(6, Rights.IO | Rights.DUPLICATE | Rights.TRANSFER | Rights.INSPECT),
    /// Interrupt (type id 9).
    INTERRUPT(9, Rights.BASIC | Rights.IO | Rights.SIGNAL),
    /// Pci device (type id 11).
    PCI_DEVICE(11, Rights.NONE),
    /// Debuglog (type id 12).
    DEBUGLOG(12, Rights.NONE),
    /// Socket (type id 14).
    SOCKET(
            14,
            Rights.BASIC
                    | Rights.IO
                    | Rights.PROPERTY
                    | Rights.SIGNAL
                    | Rights.SIGNAL_PEER
                    | Rights.MANAGE_SOCKET),
    /// Resource (type id 15).
    RESOURCE(15, Rights.DUPLICATE | Rights.TRANSFER | Rights.WRITE | Rights.INSPECT),
    /// Eventpair (type id 16).
    EVENTPAIR(16, Rights.BASIC | Rights.SIGNAL | Rights.SIGNAL_PEER),
    /// Job (type id 17).
    JOB(
            17,
            Rights.BASIC
                    | Rights.IO
                    | Rights.PROPERTY
                    | Rights.POLICY
                    | Rights.ENUMERATE
                    | Rights.DESTROY
                    | Rights.SIGNAL
                    | Rights.MANAGE_JOB
                    | Rights.MANAGE_PROCESS
                    | Rights.MANAGE_THREAD),
    /// An address-space region; handles also get READ, WRITE and EXECUTE to match what it may map.
    VMAR(18, Rights.DUPLICATE | Rights.TRANSFER | Rights.INSPECT | Rights.OP_CHILDREN),
    /// Fifo (type id 19).
    FIFO(19, Rights.BASIC | Rights.IO | Rights.SIGNAL | Rights.SIGNAL_PEER),
    /// Guest (type id 20).
    GUEST(20, Rights.NONE),
    /// Vcpu (type id 21).
    VCPU(21, Rights.NONE),
    /// Timer (type id 22).
    TIMER(22, Rights.BASIC | Rights.WRITE | Rights.SIGNAL),
    /// Iommu (type id 23).
    IOMMU(23, Rights.NONE),
    /// Bti (type id 24).
    BTI(
            24,
            Rights.IO
                    | Rights.PROPERTY
                    | Rights.DUPLICATE
                    | Rights.TRANSFER
                    | Rights.MAP
                    | Rights.INSPECT),
    /// A profile, which sets how other objects are scheduled or kept in memory.
    PROFILE(25, Rights.DUPLICATE | Rights.TRANSFER | Rights.INSPECT | Rights.APPLY_PROFILE),
    /// Pmt (type id 26).
    PMT(26, Rights.INSPECT),
    /// Suspend token (type id 27).
    SUSPEND_TOKEN(27, Rights.TRANSFER | Rights.INSPECT),
    /// Pager (type id 28).
    PAGER(28, Rights.TRANSFER | Rights.INSPECT | Rights.ATTACH_VMO | Rights.MANAGE_VMO),
    /// Exception (type id 29).
    EXCEPTION(29, Rights.PROPERTY | Rights.TRANSFER | Rights.INSPECT),
    /// A clock.
    CLOCK(30, Rights.BASIC | Rights.IO | Rights.PROPERTY | Rights.SIGNAL),
    /// Stream (type id 31).
    STREAM(31, Rights.BASIC | Rights.PROPERTY | Rights.SIGNAL),
    /// Msi (type id 32).
    MSI(32, Rights.NONE),
    /// An endpoint of an IO buffer.
    IOB(33, Rights.BASIC | Rights.IO | Rights.MAP | Rights.SIGNAL),
    /// Counter (type id 34).
    COUNTER(34, Rights.BASIC | Rights.IO | Rights.SIGNAL),
    /// Iob shared region (type id 35).
    IOB_SHARED_REGION(35, Rights.NONE);

    private final int id;
    private final int defaultRights;

    ObjectType(int id, int defaultRights) {
        this.id = id;
        this.defaultRights = defaultRights;
    }

    /// The number that stands for this type.
    ///
    /// @return less than 64
    public int id() {
        return id;
    }

    /// The rights a new handle gets.
    ///
    /// @return a set of [Rights]
    public int defaultRights() {
        return defaultRights;
    }

    /// Whether objects of this type can be waited for (clause K-18).
    ///
    /// @return true when the default rights hold WAIT
    public boolean isWaitable() {
        return (defaultRights & Rights.WAIT) != 0;
    }

    /// Whether objects of this type have a name property (clause K-25).
    ///
    /// @return true for processes, threads, jobs and memory objects
    public boolean isNamed() {
        return switch (this) {
            case PROCESS, THREAD, JOB, VMO -> true;
            default -> false;
        };
    }
}
