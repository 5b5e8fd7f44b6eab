/// The command line: `jircon hals`, `boot`, `walk` and `image`.
///
/// [io.jircon.examples.cli.Main] is the entry point. A command returns its exit code; what the user
/// got wrong is a [io.jircon.examples.cli.UsageException], which becomes one line on standard error
/// and exit code 2.
package io.jircon.examples.cli;
