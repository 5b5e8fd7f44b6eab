/// A kernel that fits on a page: processes, a scheduler, page faults, shared memory and copies that
/// are made when somebody writes. [io.jircon.examples.kernel.TinyKernel] is the kernel,
/// [io.jircon.examples.kernel.TinyKernelDemo] a program that starts one.
package io.jircon.examples.kernel;
