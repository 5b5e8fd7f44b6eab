package io.jircon.kobject;

/// What all kernel objects have in common: a number, a type, a name, signals.
public interface KernelObject {
    /// The system the object belongs to.
    ///
    /// @return never null
    Kernel kernel();

    /// The object's number, unique for the life of the system and never used again (clause K-1).
    ///
    /// @return at least 1024
    long koid();

    /// The object's type.
    ///
    /// @return never NONE
    ObjectType type();

    /// The koid of the object this one belongs with: peer, parent job, process; fixed at creation
    /// (clauses K-6, K-7).
    ///
    /// @return 0 where there is none
    long relatedKoid();

    /// The object's name (clauses K-19 to K-25).
    ///
    /// @return at most 31 bytes in UTF-8, without NUL; possibly empty
    /// @throws ZxException WRONG_TYPE when objects of this type have no name (clause K-26)
    String name();

    /// Gives the object a name. What follows the first NUL, and what is beyond 31 bytes in UTF-8,
    /// is dropped without a word (clauses K-20, K-21).
    ///
    /// @param name the new name, possibly empty
    /// @throws ZxException WRONG_TYPE when objects of this type have no name (clause K-26)
    void setName(String name);

    /// The object's signals at this moment.
    ///
    /// @return a set of [Signals]
    int signals();

    /// How many handles refer to the object, in every table and in transit (clause K-14).
    ///
    /// @return 0 or more
    int handleCount();
}
