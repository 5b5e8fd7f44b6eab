package io.jircon.vm;

/// How dearly memory is wanted where it is mapped (section 20 of the contract). Regions and
/// mappings have one; what is made below a region inherits it.
public enum MemoryPriority {
    /// Pages may be taken back when the system is short of memory, and come by faults.
    DEFAULT,
    /// Pages are not taken back while they are mapped so, and those that exist when the mapping is
    /// made, or gets the priority, are entered at once.
    HIGH
}
