/// Page replacement: a region with fewer frames than pages, and the clock algorithm that decides
/// which page gives its frame up. [io.jircon.examples.paging.ClockReplacement] is all of it.
package io.jircon.examples.paging;
