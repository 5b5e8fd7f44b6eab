package io.jircon.hal;

import java.util.List;
import java.util.Optional;

/// Makes machines of one kind. Found by `ServiceLoader`; a new HAL provides this.
public interface HalProvider {
    /// The name that users choose it by.
    ///
    /// @return lower-case letters, digits, `-` and `_`
    String name();

    /// What it is, in one line.
    ///
    /// @return for people to read
    String description();

    /// What it can do, one line per property, in the order to be shown.
    ///
    /// @return such as `pages: 4K 2M 1G`
    List<String> properties();

    /// Why it cannot be used on this host.
    ///
    /// @return the reason and what to do about it, or empty when it can be used
    Optional<String> unavailableReason();

    /// Makes a machine.
    ///
    /// @param config its size and settings
    /// @return a machine that the caller closes
    /// @throws PagingException NOT_SUPPORTED when it cannot be used here or does not know a
    ///   setting; OUT_OF_RANGE, NOT_ALIGNED for a bad base or size; NO_MEMORY, SYSTEM when the host
    ///   refuses; BAD_STATE when a file that a setting names is in use, damaged or foreign
    Hal create(HalConfig config);
}
