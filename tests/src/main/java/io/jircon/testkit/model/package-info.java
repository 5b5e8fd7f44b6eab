/// A reference model of an address space and the means to compare a real one with it.
///
/// [io.jircon.testkit.model.AddressSpaceModel] is slow and obviously right: a plain map from page
/// to what the page shows. [io.jircon.testkit.model.StepGenerator] makes random
/// [io.jircon.testkit.model.Step]s from a seed, [io.jircon.testkit.model.ModelRun] applies each of
/// them to the model and to real regions on any HAL and compares status and whole state, and
/// [io.jircon.testkit.model.ModelCheck] repeats that and shortens a sequence that failed.
@org.jspecify.annotations.NullMarked
package io.jircon.testkit.model;
