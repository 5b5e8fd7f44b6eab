package io.jircon.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.jircon.kobject.ZxException;
import io.jircon.kobject.ZxStatus;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Random lives of a family of memory objects against a model that copies everything: the contents
/// of each member, and what all of them cost together (clause O-224).
class VmoFamilyModelTest extends VmoFixture {
    private static final int STEPS = 4000;
    private static final int MAX_PAGES = 8;
    private static final int MAX_MEMBERS = 9;

    /// An object, the first byte of each of its pages, and where each page's second byte says which
    /// write made it.
    private static final class Member {
        final VmObject vmo;
        final boolean resizable;
        byte[] bytes;

        Member(VmObject vmo, boolean resizable, byte[] bytes) {
            this.vmo = vmo;
            this.resizable = resizable;
            this.bytes = bytes;
        }
    }

    private final List<Member> members = new ArrayList<>();

    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5})
    @Tag("O-59")
    @Tag("O-78")
    @Tag("O-98")
    @Tag("O-100")
    @Tag("O-101")
    @Tag("O-153")
    @Tag("O-160")
    @Tag("O-167")
    @Tag("O-169")
    @Tag("O-170")
    @Tag("O-171")
    @Tag("O-173")
    @Tag("O-224")
    void familiesBehaveLikeCopies(long seed) {
        var random = new Random(seed);
        long freeAtStart = machine.frames().freeFrames();
        for (int step = 0; step < STEPS; step++) {
            String did = act(random);
            for (Member member : members) {
                compare(member, "seed " + seed + " step " + step + ": " + did);
            }
            assertEquals(
                    freeAtStart - machine.frames().freeFrames(),
                    framesAttributed(),
                    "frames after seed " + seed + " step " + step + ": " + did);
        }
        members.forEach(member -> member.vmo.close());
    }

    private String act(Random random) {
        if (members.isEmpty()) {
            int pages = random.nextInt(MAX_PAGES + 1);
            VmObject vmo = paged(pages, VmoOption.RESIZABLE);
            members.add(new Member(vmo, /* resizable= */ true, new byte[pages * 16]));
            return "create " + pages;
        }
        Member member = members.get(random.nextInt(members.size()));
        int pages = member.bytes.length / 16;
        int first = random.nextInt(pages + 1);
        int count = random.nextInt(pages - first + 1);
        String range = member.vmo + " " + first + "+" + count;
        switch (random.nextInt(9)) {
            case 0, 1 -> {
                if (members.size() < MAX_MEMBERS) {
                    return clone(random, member);
                }
                close(member);
                return "close " + member.vmo;
            }
            case 2, 3 -> {
                return write(random, member);
            }
            case 4 -> {
                member.vmo.zero(first * PAGE, count * PAGE);
                Arrays.fill(member.bytes, first * 16, (first + count) * 16, (byte) 0);
                return "zero " + range;
            }
            case 5 -> {
                return zeroPart(random, member);
            }
            case 6 -> {
                member.vmo.commit(first * PAGE, count * PAGE);
                return "commit " + range;
            }
            case 7 -> {
                return resize(random, member);
            }
            default -> {
                return decommit(member, first, count) + range;
            }
        }
    }

    private String clone(Random random, Member source) {
        int offset = random.nextInt(MAX_PAGES);
        int pages = random.nextInt(MAX_PAGES + 1);
        boolean resizable = random.nextBoolean();
        var options = EnumSet.of(VmoChildOption.SNAPSHOT);
        if (resizable) {
            options.add(VmoChildOption.RESIZABLE);
        }
        VmObject vmo = keep(source.vmo.createChild(options, offset * PAGE, pages * PAGE));
        byte[] bytes = new byte[pages * 16];
        int there = Math.clamp(source.bytes.length - offset * 16, 0, bytes.length);
        System.arraycopy(source.bytes, there == 0 ? 0 : offset * 16, bytes, 0, there);
        members.add(new Member(vmo, resizable, bytes));
        return "clone of " + source.vmo + " at " + offset + " pages " + pages;
    }

    /// Sixteen bytes of each page are used, 256 bytes apart.
    private static long place(int index) {
        return (index / 16) * PAGE + (index % 16) * 256L;
    }

    private String write(Random random, Member member) {
        if (member.bytes.length == 0) {
            return "nothing";
        }
        int index = random.nextInt(member.bytes.length);
        byte value = (byte) (1 + random.nextInt(100));
        member.vmo.write(place(index), new byte[] {value});
        member.bytes[index] = value;
        return "write " + index + " of " + member.vmo;
    }

    private String zeroPart(Random random, Member member) {
        if (member.bytes.length == 0) {
            return "nothing";
        }
        int from = random.nextInt(member.bytes.length);
        int to = from + random.nextInt(member.bytes.length - from);
        member.vmo.zero(place(from), place(to) - place(from) + 1);
        Arrays.fill(member.bytes, from, to + 1, (byte) 0);
        return "zero bytes " + from + ".." + to + " of " + member.vmo;
    }

    private String resize(Random random, Member member) {
        int pages = random.nextInt(MAX_PAGES + 1);
        try {
            member.vmo.setSize(pages * PAGE);
            assertTrue(member.resizable);
            member.bytes = Arrays.copyOf(member.bytes, pages * 16);
        } catch (ZxException e) {
            assertEquals(ZxStatus.UNAVAILABLE, e.status());
            assertTrue(!member.resizable, e.getMessage());
        }
        return "resize of " + member.vmo + " to " + pages;
    }

    private String decommit(Member member, int first, int count) {
        try {
            member.vmo.decommit(first * PAGE, count * PAGE);
            assertTrue(count == 0 || members.size() == 1);
            Arrays.fill(member.bytes, first * 16, (first + count) * 16, (byte) 0);
            return "decommit ";
        } catch (ZxException e) {
            assertEquals(ZxStatus.NOT_SUPPORTED, e.status());
            assertTrue(members.size() > 1, e.getMessage());
            return "refused decommit ";
        }
    }

    private void close(Member member) {
        member.vmo.close();
        members.remove(member);
    }

    private static void compare(Member member, String when) {
        assertEquals(member.bytes.length / 16 * PAGE, member.vmo.sizeBytes(), when);
        byte[] seen = member.vmo.read(0, (int) member.vmo.sizeBytes());
        for (int i = 0; i < member.bytes.length; i++) {
            assertEquals(
                    member.bytes[i],
                    seen[(int) place(i)],
                    "byte " + i + " of " + member.vmo + when);
        }
    }

    private long framesAttributed() {
        double pages = 0;
        for (Member member : members) {
            VmoInfo info = member.vmo.info();
            assertTrue(info.privateBytes() <= info.scaledBytes());
            assertTrue(info.scaledBytes() <= info.committedBytes());
            pages += (info.scaledBytes() + info.fractionalScaledBytes() * 0x1p-63) / PAGE;
        }
        long whole = Math.round(pages);
        assertEquals(whole, pages, 1e-6, "a fraction of a frame");
        return whole;
    }
}
