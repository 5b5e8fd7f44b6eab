/// Machines with one fault planted each: [io.jircon.testkit.broken.BrokenHal] with a
/// [io.jircon.testkit.broken.PlantedFault]. A suite that accepts one of them tests too little.
package io.jircon.testkit.broken;
