/// Address-space regions, mappings and memory objects.
package io.jircon.vm;
