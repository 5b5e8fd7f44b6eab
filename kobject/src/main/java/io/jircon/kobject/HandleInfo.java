package io.jircon.kobject;

/// What any handle tells about its object (clause K-33).
///
/// @param koid the object's number
/// @param rights the handle's rights
/// @param type the object's type
/// @param relatedKoid the koid of the object it belongs with, or 0
public record HandleInfo(long koid, int rights, ObjectType type, long relatedKoid) {}
