/// The test kit: what a HAL has to do, as a suite to extend, and tools to put a kernel built on
/// Jircon to the test.
///
/// A new HAL extends [HalConformance][io.jircon.testkit.HalConformance] and says how a machine of
/// it is made and which [HalFeature][io.jircon.testkit.HalFeature]s it has; JUnit does the rest:
///
/// ```java
/// class MyHalConformanceTest extends HalConformance {
///     @Override
///     protected Hal create(HalConfig config) {
///         return Hals.create("mine", config);
///     }
///
///     @Override
///     protected Set<HalFeature> features() {
///         return Set.of(HalFeature.HUGE_2M);
///     }
/// }
/// ```
///
/// Each method is named after its force, `required_` or `optional_`, and its comment says what to
/// look at when it fails. The kit is itself under test: [broken][io.jircon.testkit.broken] holds a
/// HAL with one planted fault at a time, and the kit has to find every one.
///
/// [FaultyFrameAllocator][io.jircon.testkit.FaultyFrameAllocator] fails at a chosen call, to show
/// that running out of frames leaves nothing behind. [model][io.jircon.testkit.model] holds a
/// reference model of an address space and the random histories that are compared with it.
package io.jircon.testkit;
