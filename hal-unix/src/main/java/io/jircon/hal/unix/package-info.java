/// The host's own memory as a HAL: frames in a memory-mapped file.
package io.jircon.hal.unix;
