package io.jircon.vm;

import static io.jircon.vm.VmarFixture.PAGE;
import static io.jircon.vm.VmarFixture.R;
import static io.jircon.vm.VmarFixture.SPECIFIC;
import static io.jircon.vm.VmarFixture.child;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.jircon.hal.MmuFlags;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Every way in which two or three mappings of one page can lie beside each other, some of them in
/// a region of their own, made in every order. After each, every mapping has the size that the
/// rules of clause V-263 give.
class VmarMergeMatrixTest {
    private static final List<List<Integer>> ORDERS =
            List.of(
                    List.of(0, 1, 2),
                    List.of(0, 2, 1),
                    List.of(1, 0, 2),
                    List.of(1, 2, 0),
                    List.of(2, 0, 1),
                    List.of(2, 1, 0));

    /// One mapping: where it is, what it shows and how.
    private record Piece(int page, int vmoPage, Kind kind) {}

    private enum Kind {
        PLAIN,
        NEVER_WRITABLE,
        OF_ANOTHER_OBJECT,
        FAULTING_BEYOND_THE_STREAM
    }

    /// What lies beside what, and which of the neighbours are one when nothing is in between.
    private enum Layout {
        TWO_IN_A_ROW("1", plain(0, 0), plain(1, 1)),
        THREE_IN_A_ROW("11", plain(0, 0), plain(1, 1), plain(2, 2)),
        FIRST_MAY_DO_LESS("01", new Piece(0, 0, Kind.NEVER_WRITABLE), plain(1, 1), plain(2, 2)),
        A_GAP_OF_ADDRESSES("0", plain(0, 0), plain(2, 1)),
        A_GAP_IN_THE_OBJECT("0", plain(0, 0), plain(1, 2)),
        A_GAP_IN_BOTH("0", plain(0, 0), plain(2, 2)),
        FIRST_OF_ANOTHER_OBJECT(
                "01", new Piece(0, 0, Kind.OF_ANOTHER_OBJECT), plain(1, 1), plain(2, 2)),
        BOTH_FAULT_BEYOND_THE_STREAM("1", streaming(0), streaming(1)),
        ONE_FAULTS_BEYOND_THE_STREAM("0", plain(0, 0), streaming(1));

        private final String joins;
        private final List<Piece> pieces;

        Layout(String joins, Piece... pieces) {
            this.joins = joins;
            this.pieces = List.of(pieces);
        }

        private static Piece plain(int page, int vmoPage) {
            return new Piece(page, vmoPage, Kind.PLAIN);
        }

        private static Piece streaming(int page) {
            return new Piece(page, page, Kind.FAULTING_BEYOND_THE_STREAM);
        }
    }

    private final VmarFixture vm = new VmarFixture();

    @AfterEach
    void tearDown() {
        vm.close();
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    @Tag("aspace_unittest.cc:vmaspace_merge_mapping_test")
    @Tag("V-262")
    @Tag("V-263")
    @Tag("V-266")
    void neighboursAreOneAsSoonAsBothAreThereAndNothingIsBetween(Layout layout) {
        int count = layout.pieces.size();
        for (int inOwnRegion = 0; inOwnRegion < 1 << count; inOwnRegion++) {
            for (List<Integer> order : ORDERS) {
                check(layout, inOwnRegion, order.stream().filter(piece -> piece < count).toList());
            }
        }
    }

    private void check(Layout layout, int inOwnRegion, List<Integer> order) {
        VmAddressRegion region = vm.region(4);
        VmObject object = VmObject.create(vm.machine, 4 * PAGE);
        VmObject other = VmObject.create(vm.machine, 4 * PAGE);
        int made = 0;
        for (int index : order) {
            Piece piece = layout.pieces.get(index);
            boolean isOwn = (inOwnRegion >> index & 1) != 0;
            VmAddressRegion parent = isOwn ? child(region, piece.page, 1) : region;
            long offset = isOwn ? 0 : piece.page * PAGE;
            map(parent, offset, piece, object, other);
            made |= 1 << index;
            String what = layout + " own=" + inOwnRegion + " order=" + order + " made=" + made;
            for (int i = 0; i < layout.pieces.size(); i++) {
                if ((made >> i & 1) != 0) {
                    long at = region.baseAddress() + layout.pieces.get(i).page * PAGE;
                    VmMapping mapping = Objects.requireNonNull(region.findMapping(at), what);
                    long expected = expectedPages(layout, made & ~inOwnRegion, i);
                    assertEquals(expected, mapping.sizeBytes() / PAGE, what + " piece=" + i);
                }
            }
        }
        vm.root.checkInvariants();
        region.destroy();
        object.close();
        other.close();
    }

    private static void map(
            VmAddressRegion parent, long offset, Piece piece, VmObject object, VmObject other) {
        VmarFlags options = R.with(SPECIFIC);
        if (piece.kind == Kind.FAULTING_BEYOND_THE_STREAM) {
            options = options.with(VmarFlags.FAULT_BEYOND_STREAM_SIZE).with(VmarFlags.ALLOW_FAULTS);
        }
        MmuFlags most = piece.kind == Kind.NEVER_WRITABLE ? MmuFlags.R : MmuFlags.RW;
        VmObject shown = piece.kind == Kind.OF_ANOTHER_OBJECT ? other : object;
        parent.map(options, offset, shown, piece.vmoPage * PAGE, PAGE, most);
    }

    /// How many pages the mapping of a piece has.
    ///
    /// @param free the pieces that are there and in the common region
    private static int expectedPages(Layout layout, int free, int piece) {
        if ((free >> piece & 1) == 0) {
            return 1;
        }
        int pages = 1;
        for (int i = piece; i > 0 && layout.joins.charAt(i - 1) == '1' && has(free, i - 1); i--) {
            pages++;
        }
        for (int i = piece;
                i < layout.joins.length() && layout.joins.charAt(i) == '1' && has(free, i + 1);
                i++) {
            pages++;
        }
        return pages;
    }

    private static boolean has(int set, int index) {
        return (set >> index & 1) != 0;
    }
}
