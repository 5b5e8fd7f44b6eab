package io.jircon.vm;

/// What an address space costs (info topic TASK_STATS).
///
/// A memory object that two mappings of one address space show counts once for each.
///
/// @param mappedBytes sizes of all mappings
/// @param privateBytes bytes of resident pages that nothing outside this address space shows
/// @param sharedBytes bytes of the other resident pages
/// @param scaledSharedBytes `sharedBytes`, each page divided by the number of memory objects and of
///   address spaces that share it
public record TaskStats(
        long mappedBytes, long privateBytes, long sharedBytes, long scaledSharedBytes) {}
