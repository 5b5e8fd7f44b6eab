/// Programs a reader would copy from.
package io.jircon.examples;
