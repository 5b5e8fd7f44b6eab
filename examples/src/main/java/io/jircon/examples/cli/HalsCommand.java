package io.jircon.examples.cli;

import io.jircon.hal.HalProvider;
import io.jircon.hal.Hals;
import java.io.PrintWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/// `jircon hals`: the HALs found, what each can do, and whether it can be used here.
@Command(
        name = "hals",
        description = "List the HALs, what each can do, and whether it can be used here.",
        mixinStandardHelpOptions = true)
final class HalsCommand implements Callable<Integer> {
    @Spec private CommandSpec spec = CommandSpec.create();

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        for (HalProvider provider : Hals.providers()) {
            out.printf("%s: %s%n", provider.name(), provider.description());
            provider.properties().forEach(property -> out.printf("  %s%n", property));
            Optional<String> reason = provider.unavailableReason();
            out.printf("  usable here: %s%n", reason.map(why -> "no, " + why).orElse("yes"));
        }
        return Main.OK;
    }
}
