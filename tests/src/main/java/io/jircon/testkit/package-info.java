/// The test kit: what a new HAL must do, as suites to extend.
package io.jircon.testkit;
