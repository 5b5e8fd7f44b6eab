package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.RW;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Random families below a pager-backed object against a model that keeps an array of cells for
/// each of them: what each shows, by itself and through a mapping, after every step; frames that
/// run out on the way change nothing.
@Timeout(120)
class VmarPagerCloneModelTest {
    private static final int PAGES = 6;
    private static final int SEEDS = 40;

    /// A cell of a member that has nothing there of its own.
    private static final int ABOVE = -1;

    /// A cell that is zero and no page, for it lies past what the member sees.
    private static final int BEYOND = -2;

    /// A page of the member's own that holds zeros; a cell that was zeroed is 0.
    private static final int ZEROS = -3;

    private FailingFrames frames;
    private final PagerScene scene = new PagerScene(inner -> frames = new FailingFrames(inner));
    private final VmarFixture vm = scene.vm;
    private final List<Member> members = new ArrayList<>();

    @AfterEach
    void tearDown() {
        scene.close();
    }

    /// A member of the family: what it has itself, and where it looks for the rest.
    private static final class Member {
        final VmObject vmo;
        final long at;
        final @Nullable Member above;
        final int shift;

        /// Values, or what is named above; as many cells as it can ever have.
        final int[] cells = new int[4 * PAGES];

        int pages;

        /// How many pages it sees of what is above; never more than there were.
        int sees;

        Member(VmObject vmo, long at, @Nullable Member above, int shift, int pages) {
            this.vmo = vmo;
            this.at = at;
            this.above = above;
            this.shift = shift;
            this.pages = pages;
            Arrays.fill(cells, BEYOND);
        }

        /// What a page shows; zero where it ends.
        int shown(int page) {
            int cell = cells[page];
            return cell == ABOVE ? above.shown(page + shift) : Math.max(0, cell);
        }

        boolean hasCells(int first, int end) {
            return Arrays.stream(cells, first, end).anyMatch(cell -> cell >= 0 || cell == ZEROS);
        }
    }

    static LongStream seeds() {
        return LongStream.range(0, SEEDS);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    @Tag("O-160")
    @Tag("O-161")
    @Tag("O-163")
    @Tag("O-168")
    @Tag("O-171")
    @Tag("V-282")
    void everyMemberShowsWhatTheModelShows(long seed) {
        var random = new SplittableRandom(seed);
        int[] contents = {1, 2, 0, 4, 5, 6};
        VmObject file = scene.file(PAGES, VmoOption.RESIZABLE);
        scene.supply(file, 0, contents);
        Member root = new Member(file, mapped(file), null, 0, PAGES);
        System.arraycopy(contents, 0, root.cells, 0, PAGES);
        members.add(root);
        for (int step = 0; step < 120; step++) {
            String what = step(random);
            vm.root.checkInvariants();
            for (Member member : members) {
                assertEquals(
                        expected(member), actual(member, random), "step " + step + ": " + what);
            }
        }
        while (!members.isEmpty()) {
            end(members.get(random.nextInt(members.size())));
        }
    }

    private long mapped(VmObject vmo) {
        return vm.root.map(RW, 0, vmo, 0, 2 * PAGES * PAGE);
    }

    private static String expected(Member member) {
        var text = new StringBuilder();
        for (int page = 0; page < member.pages; page++) {
            text.append(member.shown(page)).append(' ');
        }
        return text.toString();
    }

    private String actual(Member member, SplittableRandom random) {
        boolean byMapping = random.nextInt(3) != 0;
        var text = new StringBuilder();
        for (int page = 0; page < member.vmo.sizeBytes() / PAGE; page++) {
            long offset = page * PAGE;
            text.append(byMapping ? vm.peek(member.at + offset) : member.vmo.read(offset, 1)[0])
                    .append(' ');
        }
        return text.toString();
    }

    private String step(SplittableRandom random) {
        Member member = members.get(random.nextInt(members.size()));
        int page = random.nextInt(PAGES);
        int end = page + 1 + random.nextInt(PAGES - page);
        int value = random.nextInt(1, 100);
        boolean inside = end <= member.pages;
        switch (random.nextInt(12)) {
            case 0, 1 -> {
                if (!inside) {
                    return "nothing";
                }
                byte[] bytes = new byte[(end - page) * (int) PAGE];
                for (int i = page; i < end; i++) {
                    bytes[(i - page) * (int) PAGE] = (byte) value;
                }
                despite(random, () -> member.vmo.write(page * PAGE, bytes));
                Arrays.fill(member.cells, page, end, value);
            }
            case 2, 3 -> {
                if (!inside) {
                    return "nothing";
                }
                vm.poke(member.at + page * PAGE, value);
                member.cells[page] = value;
            }
            case 4 -> {
                if (!inside) {
                    return "nothing";
                }
                despite(random, () -> member.vmo.zero(page * PAGE, (end - page) * PAGE));
                for (int i = page; i < end; i++) {
                    member.cells[i] = i < member.sees ? 0 : BEYOND;
                }
            }
            case 5 -> {
                if (!inside) {
                    return "nothing";
                }
                despite(random, () -> member.vmo.commit(page * PAGE, (end - page) * PAGE));
                for (int i = page; i < end; i++) {
                    member.cells[i] = member.shown(i) == 0 ? ZEROS : member.shown(i);
                }
            }
            case 6 -> resize(member, page + random.nextInt(PAGES), random);
            case 7 -> {
                if (members.size() > 1) {
                    end(member);
                }
            }
            case 8, 9 -> follow(member, page, end - page);
            default -> snapshot(member, page, end - page);
        }
        return "page " + page + " to " + end + " value " + value;
    }

    /// Does it with each frame failing in turn first.
    private void despite(SplittableRandom random, Runnable operation) {
        if (random.nextBoolean()) {
            operation.run();
            return;
        }
        for (int k = 1; ; k++) {
            List<String> before = members.stream().map(VmarPagerCloneModelTest::cost).toList();
            long free = vm.machine.frames().freeFrames();
            frames.failAt(k);
            try {
                operation.run();
            } catch (ZxException e) {
                assertEquals(ZxStatus.NO_MEMORY, e.status());
                assertTrue(frames.disarm());
                assertEquals(free, vm.machine.frames().freeFrames());
                assertEquals(before, members.stream().map(VmarPagerCloneModelTest::cost).toList());
                continue;
            }
            frames.disarm();
            return;
        }
    }

    private static String cost(Member member) {
        VmoInfo info = member.vmo.info();
        return info.committedBytes() + " " + info.privateBytes() + " " + info.sizeBytes();
    }

    private void resize(Member member, int pages, SplittableRandom random) {
        despite(random, () -> member.vmo.setSize(pages * PAGE));
        if (pages < member.pages) {
            Arrays.fill(member.cells, pages, member.cells.length, BEYOND);
            member.sees = Math.min(member.sees, pages);
            for (Member other : members) {
                if (other.above == member) {
                    cut(other, pages);
                }
            }
            hidden.stream().filter(other -> other.above == member).forEach(o -> cut(o, pages));
        }
        member.pages = pages;
    }

    /// Members that are gone while others look through them.
    private final List<Member> hidden = new ArrayList<>();

    private static void cut(Member member, int end) {
        member.sees = Math.max(0, Math.min(member.sees, end - member.shift));
        for (int page = Math.max(0, end - member.shift); page < member.cells.length; page++) {
            if (member.cells[page] == ABOVE || member.cells[page] == 0) {
                member.cells[page] = BEYOND;
            }
        }
    }

    private void end(Member member) {
        vm.root.unmap(member.at, 2 * PAGES * PAGE);
        member.vmo.close();
        members.remove(member);
        hidden.add(member);
    }

    private VmObject child(Member member, VmoChildOption type, int page, int pages) {
        return vm.closing(
                member.vmo.createChild(
                        EnumSet.of(type, VmoChildOption.RESIZABLE), page * PAGE, pages * PAGE));
    }

    private void follow(Member source, int page, int pages) {
        if (isInCircle(source)) {
            snapshot(source, page, pages);
            return;
        }
        VmObject vmo = child(source, VmoChildOption.SNAPSHOT_AT_LEAST_ON_WRITE, page, pages);
        Member above = source;
        int shift = page;
        int seen = Math.max(0, Math.min(pages, source.pages - page));
        int[] cells = new int[seen];
        Arrays.fill(cells, ABOVE);
        int left = seen;
        while (above.above != null && !above.hasCells(shift, shift + left)) {
            for (int i = 0; i < seen; i++) {
                if (above.cells[i + shift] == BEYOND) {
                    cells[i] = BEYOND;
                    left = Math.min(left, i);
                }
            }
            shift += above.shift;
            above = above.above;
        }
        Member made = new Member(vmo, mapped(vmo), above, shift, pages);
        System.arraycopy(cells, 0, made.cells, 0, seen);
        made.sees = left;
        members.add(made);
    }

    private static boolean isInCircle(Member member) {
        return ((PagedVmo) member.vmo).store instanceof CloneStore clone && clone.isInCircle();
    }

    private void snapshot(Member source, int page, int pages) {
        if (source.above == null) {
            follow(source, page, pages);
            return;
        }
        boolean followed =
                members.stream().anyMatch(other -> other.above == source)
                        || hidden.stream()
                                .anyMatch(other -> other.above == source && isSeen(other));
        if (followed || source.above.above != null) {
            VmarFixture.refuses(
                    ZxStatus.NOT_SUPPORTED,
                    "O-159",
                    () -> child(source, VmoChildOption.SNAPSHOT_MODIFIED, page, pages));
            return;
        }
        VmObject vmo = child(source, VmoChildOption.SNAPSHOT_MODIFIED, page, pages);
        Member made = new Member(vmo, mapped(vmo), source.above, source.shift + page, pages);
        int seen = Math.max(0, Math.min(pages, source.pages - page));
        System.arraycopy(source.cells, page, made.cells, 0, seen);
        made.sees = Math.max(0, Math.min(pages, source.sees - page));
        members.add(made);
    }

    /// Whether somebody who lives looks through a member that is gone.
    private boolean isSeen(Member gone) {
        return members.stream().anyMatch(other -> other.above == gone)
                || hidden.stream().anyMatch(other -> other.above == gone && isSeen(other));
    }
}
