package io.jircon.hal.unix;

/// Numbers and names of the system's errors: Linux's generic numbering, which all architectures
/// that the JDK runs on share for these.
final class Errno {
    static final int EPERM = 1;
    static final int EIO = 5;
    static final int EAGAIN = 11;
    static final int ENOMEM = 12;
    static final int EACCES = 13;
    static final int EFAULT = 14;
    static final int EEXIST = 17;
    static final int EINVAL = 22;
    static final int ENFILE = 23;
    static final int EMFILE = 24;
    static final int EFBIG = 27;
    static final int ENOSPC = 28;
    static final int ENOSYS = 38;
    static final int EOPNOTSUPP = 95;

    private static final String UNEXPECTED = "this is not expected here";

    private Errno() {}

    /// The symbolic name of a number.
    ///
    /// @param errno a positive error number
    /// @return such as `ENOMEM`, or `errno 77` for one without an entry here
    static String name(int errno) {
        return switch (errno) {
            case EPERM -> "EPERM";
            case 2 -> "ENOENT";
            case 3 -> "ESRCH";
            case 4 -> "EINTR";
            case EIO -> "EIO";
            case 9 -> "EBADF";
            case EAGAIN -> "EAGAIN";
            case ENOMEM -> "ENOMEM";
            case EACCES -> "EACCES";
            case EFAULT -> "EFAULT";
            case 16 -> "EBUSY";
            case EEXIST -> "EEXIST";
            case 19 -> "ENODEV";
            case 20 -> "ENOTDIR";
            case 21 -> "EISDIR";
            case EINVAL -> "EINVAL";
            case ENFILE -> "ENFILE";
            case EMFILE -> "EMFILE";
            case 25 -> "ENOTTY";
            case 26 -> "ETXTBSY";
            case EFBIG -> "EFBIG";
            case ENOSPC -> "ENOSPC";
            case 30 -> "EROFS";
            case 36 -> "ENAMETOOLONG";
            case ENOSYS -> "ENOSYS";
            case 40 -> "ELOOP";
            case 75 -> "EOVERFLOW";
            case EOPNOTSUPP -> "EOPNOTSUPP";
            case 122 -> "EDQUOT";
            default -> "errno " + errno;
        };
    }

    /// What a user can do about an error of a call.
    ///
    /// @param call the call that failed
    /// @param errno a positive error number
    /// @return a sentence without a full stop
    static String advice(String call, int errno) {
        return switch (errno) {
            case ENOMEM ->
                    "the host has no memory, no address space or no mapping left: look at"
                            + " vm.max_map_count, ulimit -v and the memory limit of the container";
            case EPERM, EACCES ->
                    "the host's policy forbids it: allow "
                            + call
                            + " in the seccomp profile of the container, or look at SELinux,"
                            + " noexec mounts and capabilities";
            case ENOSYS ->
                    "the kernel or its seccomp filter does not offer " + call + " to this process";
            case EAGAIN ->
                    "the host cannot do it now: try again; too much may be locked, look at"
                            + " ulimit -l";
            case EMFILE, ENFILE -> "no file descriptor is left: look at ulimit -n and fs.file-max";
            case ENOSPC, 122, EFBIG ->
                    call.equals("epoll_ctl")
                            ? "the user has as many descriptors watched as he may: look at"
                                    + " fs.epoll.max_user_watches"
                            : "the file system, the quota or ulimit -f has no room for the frames";
            case EINVAL ->
                    call.equals("madvise")
                            ? "the kernel may have been built without transparent huge pages"
                            : UNEXPECTED;
            default -> UNEXPECTED;
        };
    }
}
