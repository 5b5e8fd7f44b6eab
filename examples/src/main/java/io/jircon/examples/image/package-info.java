/// Writes a machine's memory to a file, with the questions and the answers that belong to it, so
/// that an MMU which nobody here wrote can be asked the same questions.
///
/// [io.jircon.examples.image.RandomGuest] fills an address space;
/// [io.jircon.examples.image.MachineImage] writes the files.
package io.jircon.examples.image;
