package io.jircon.kobject;

/// What the holder of a handle may do with the object (clauses K-41 to K-45). A set of rights is an
/// `int`, one bit per right. Rights belong to the handle, never to the object, and never grow.
public final class Rights {
    /// The empty set.
    public static final int NONE = 0;

    /// May be duplicated.
    public static final int DUPLICATE = 1;

    /// May be sent to another process.
    public static final int TRANSFER = 1 << 1;

    /// May read the object's contents.
    public static final int READ = 1 << 2;

    /// May change the object's contents.
    public static final int WRITE = 1 << 3;

    /// May map the object executable.
    public static final int EXECUTE = 1 << 4;

    /// May map the object.
    public static final int MAP = 1 << 5;

    /// May read properties.
    public static final int GET_PROPERTY = 1 << 6;

    /// May set properties.
    public static final int SET_PROPERTY = 1 << 7;

    /// May list children.
    public static final int ENUMERATE = 1 << 8;

    /// May kill a task.
    public static final int DESTROY = 1 << 9;

    /// May set a job's policy.
    public static final int SET_POLICY = 1 << 10;

    /// May read a job's policy.
    public static final int GET_POLICY = 1 << 11;

    /// May set and clear user signals.
    public static final int SIGNAL = 1 << 12;

    /// May set and clear user signals of the peer.
    public static final int SIGNAL_PEER = 1 << 13;

    /// May wait for signals.
    public static final int WAIT = 1 << 14;

    /// May ask for information.
    public static final int INSPECT = 1 << 15;

    /// May create child jobs.
    public static final int MANAGE_JOB = 1 << 16;

    /// May create processes.
    public static final int MANAGE_PROCESS = 1 << 17;

    /// May create and start threads.
    public static final int MANAGE_THREAD = 1 << 18;

    /// May apply a profile.
    public static final int APPLY_PROFILE = 1 << 19;

    /// May change a socket's settings.
    public static final int MANAGE_SOCKET = 1 << 20;

    /// May affect a region's sub-regions.
    public static final int OP_CHILDREN = 1 << 21;

    /// May change a memory object's size.
    public static final int RESIZE = 1 << 22;

    /// May attach a memory object to a pager.
    public static final int ATTACH_VMO = 1 << 23;

    /// May manage a pager's memory objects.
    public static final int MANAGE_VMO = 1 << 24;

    /// A request for the rights the source handle has; compared as a whole value, never stored
    /// (clause K-44).
    public static final int SAME_RIGHTS = 1 << 31;

    /// TRANSFER, DUPLICATE, WAIT and INSPECT (clause K-42).
    public static final int BASIC = TRANSFER | DUPLICATE | WAIT | INSPECT;

    /// READ and WRITE (clause K-42).
    public static final int IO = READ | WRITE;

    /// GET_PROPERTY and SET_PROPERTY (clause K-42).
    public static final int PROPERTY = GET_PROPERTY | SET_PROPERTY;

    /// GET_POLICY and SET_POLICY (clause K-42).
    public static final int POLICY = GET_POLICY | SET_POLICY;

    private static final String[] NAMES = {
        "DUPLICATE",
        "TRANSFER",
        "READ",
        "WRITE",
        "EXECUTE",
        "MAP",
        "GET_PROPERTY",
        "SET_PROPERTY",
        "ENUMERATE",
        "DESTROY",
        "SET_POLICY",
        "GET_POLICY",
        "SIGNAL",
        "SIGNAL_PEER",
        "WAIT",
        "INSPECT",
        "MANAGE_JOB",
        "MANAGE_PROCESS",
        "MANAGE_THREAD",
        "APPLY_PROFILE",
        "MANAGE_SOCKET",
        "OP_CHILDREN",
        "RESIZE",
        "ATTACH_VMO",
        "MANAGE_VMO"
    };

    private Rights() {}

    /// Whether one set holds all of another.
    ///
    /// @param rights the set that is asked
    /// @param wanted the rights looked for
    /// @return true when `wanted` is a subset of `rights`
    public static boolean contains(int rights, int wanted) {
        return (wanted & ~rights) == 0;
    }

    /// The names of a set, for people.
    ///
    /// @param rights the set
    /// @return such as `READ|WRITE`; `NONE` for the empty set; bits without a name as a hexadecimal
    ///   number
    public static String toString(int rights) {
        var text = new StringBuilder();
        int rest = rights;
        for (int bit = 0; bit < NAMES.length; bit++) {
            if ((rest & 1 << bit) != 0) {
                text.append(text.isEmpty() ? "" : "|").append(NAMES[bit]);
                rest &= ~(1 << bit);
            }
        }
        if (rest != 0) {
            text.append(text.isEmpty() ? "" : "|").append("0x").append(Integer.toHexString(rest));
        }
        return text.isEmpty() ? "NONE" : text.toString();
    }
}
