package io.jircon.tests;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.GeneralCodingRules;
import org.junit.jupiter.api.Test;

/// Which module may know which: the arrows point one way only.
class ArchitectureTest {
    private static final String KOBJECT = "io.jircon.kobject..";
    private static final String HAL = "io.jircon.hal..";
    private static final String NESTED = "io.jircon.hal.npt..";
    private static final String UNIX = "io.jircon.hal.unix..";
    private static final String VM = "io.jircon.vm..";
    private static final String KIT = "io.jircon.testkit..";

    private static final JavaClasses CLASSES =
            new ClassFileImporter()
                    .withImportOption(new ImportOption.DoNotIncludeTests())
                    .withImportOption(location -> !location.contains("-tests.jar"))
                    .importPackages("io.jircon");

    private static void mustNotKnow(String who, String... whom) {
        check(
                noClasses()
                        .that()
                        .resideInAPackage(who)
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage(whom));
    }

    private static void check(ArchRule rule) {
        rule.check(CLASSES);
    }

    @Test
    void kernelObjectsKnowNoMemory() {
        mustNotKnow(KOBJECT, HAL, VM, KIT);
    }

    @Test
    void halsKnowNeitherObjectsNorRegions() {
        mustNotKnow(HAL, KOBJECT, VM, KIT);
    }

    @Test
    void halsDoNotKnowEachOther() {
        mustNotKnow(NESTED, UNIX);
        mustNotKnow(UNIX, NESTED);
    }

    @Test
    void regionsKnowNoConcreteHal() {
        mustNotKnow(VM, NESTED, UNIX, KIT);
    }

    @Test
    void packagesHaveNoCycles() {
        check(slices().matching("io.jircon.(**)").should().beFreeOfCycles());
    }

    @Test
    void noInternalsOfTheJdk() {
        check(
                noClasses()
                        .should()
                        .dependOnClassesThat()
                        .resideInAnyPackage("sun.misc..", "jdk.internal.."));
    }

    @Test
    void librariesDoNotPrint() {
        check(GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.allowEmptyShould(false));
    }
}
