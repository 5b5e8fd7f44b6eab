package io.jircon.vm;

/// What the info topic VMAR tells (clause V-220).
///
/// @param baseAddress address of the region's first byte, unsigned
/// @param sizeBytes the region's length
public record VmarInfo(long baseAddress, long sizeBytes) {}
