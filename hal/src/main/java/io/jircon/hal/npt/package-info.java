/// Nested (second-stage) page tables: one walker and cursor, three architecture formats as data.
package io.jircon.hal.npt;
