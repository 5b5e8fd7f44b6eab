package io.jircon.hal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class AddressTest {
    private static final GuestPhysAddr TOP = gpa(-1L);

    @Test
    @Tag("A-2")
    @Tag("memory_addr:test_addr_convert_and_comparison")
    void orderIsUnsignedAndEqualityByValueAndKind() {
        assertTrue(gpa(1).compareTo(TOP) < 0);
        assertEquals(0, TOP.compareTo(gpa(-1)));
        assertEquals(gpa(5), gpa(5));
        assertNotEquals((Object) gpa(5), new HostPhysAddr(5));
    }

    @Test
    @Tag("A-1")
    void noKindOfAddressTakesOrAnswersAnother() {
        Class<?>[] kinds = Address.class.getPermittedSubclasses();
        assertEquals(4, kinds.length);
        for (Class<?> kind : kinds) {
            for (Method method : kind.getDeclaredMethods()) {
                var types = new ArrayList<Class<?>>(List.of(method.getParameterTypes()));
                types.add(method.getReturnType());
                types.removeIf(type -> !Address.class.isAssignableFrom(type));
                assertTrue(method.isBridge() || Set.of(kind).containsAll(types), method::toString);
            }
        }
    }

    @Test
    @Tag("A-3")
    @Tag("memory_addr:test_addr_fmt")
    @Tag("memory_addr:test_range_format")
    void textHasPrefixAndHexadecimalDigits() {
        assertEquals("GPA:0xabc", gpa(0xabc).toString());
        assertEquals("GVA:0xffffffffffffffff", new GuestVirtAddr(-1).toString());
        assertEquals("PA:0x0", new HostPhysAddr(0).toString());
        assertEquals("VA:0x10", new HostVirtAddr(16).toString());
        assertEquals("GPA:0x1000..GPA:0x2000", range(0x1000, 0x2000).toString());
    }

    @Test
    @Tag("A-4")
    @Tag("memory_addr:test_addr_arithmetic")
    @Tag("memory_addr:test_addr_add_overflow")
    @Tag("memory_addr:test_addr_sub_underflow")
    @Tag("memory_addr:test_addr_sub_addr_overflow")
    void nothingWraps() {
        assertEquals(TOP, gpa(0).add(-1));
        assertEquals(gpa(0), TOP.sub(-1));
        var thrown = assertThrows(ArithmeticException.class, () -> TOP.add(1));
        assertEquals("GPA:0xffffffffffffffff + 0x1 leaves 64 bits", thrown.getMessage());
        assertThrows(ArithmeticException.class, () -> gpa(4).sub(5));
        assertThrows(ArithmeticException.class, () -> gpa(4).subAddr(gpa(5)));
        assertEquals(-1L, TOP.subAddr(gpa(0)));
    }

    @Test
    @Tag("A-5")
    @Tag("memory_addr:test_addr_checked_arithmetic")
    void checkedFormsAnswerEmpty() {
        assertEquals(Optional.empty(), TOP.checkedAdd(1));
        assertEquals(Optional.of(TOP), gpa(-2).checkedAdd(1));
        assertEquals(Optional.empty(), gpa(0).checkedSub(1));
        assertEquals(Optional.of(gpa(0)), gpa(1).checkedSub(1));
    }

    @Test
    @Tag("A-5")
    @Tag("memory_addr:test_addr_arithmetic")
    @Tag("memory_addr:test_addr_offset_overflow")
    @Tag("memory_addr:test_addr_offset_from_overflow")
    @Tag("memory_addr:test_addr_offset_from_underflow")
    void signedOffsetsAndDistancesAreChecked() {
        assertEquals(gpa(3), gpa(5).offset(-2));
        assertEquals(gpa(7), gpa(5).offset(2));
        assertEquals(gpa(0), gpa(1L << 63).offset(Long.MIN_VALUE));
        assertThrows(ArithmeticException.class, () -> gpa(1).offset(-2));
        assertThrows(ArithmeticException.class, () -> TOP.offset(1));
        assertEquals(0, TOP.offsetFrom(TOP));
        assertEquals(-2, gpa(3).offsetFrom(gpa(5)));
        assertEquals(Long.MIN_VALUE, gpa(0).offsetFrom(gpa(1L << 63)));
        assertThrows(ArithmeticException.class, () -> TOP.offsetFrom(gpa(0)));
        assertThrows(ArithmeticException.class, () -> gpa(1L << 63).offsetFrom(gpa(0)));
        assertThrows(ArithmeticException.class, () -> gpa(0).offsetFrom(TOP));
    }

    @Test
    @Tag("A-6")
    @Tag("memory_addr:test_addr")
    @Tag("memory_addr:test_alignment")
    @Tag("memory_addr:test_align")
    void alignmentIsAPowerOfTwoAndDoesNotOverflow() {
        assertEquals(gpa(0x1000), gpa(0x1fff).alignDown(0x1000));
        assertEquals(gpa(0x2000), gpa(0x1001).alignUp(0x1000));
        assertEquals(gpa(0x1000), gpa(0x1000).alignUp(0x1000));
        assertEquals(0xfff, gpa(0x1fff).alignOffset(0x1000));
        assertTrue(gpa(0x2000).isAligned(0x1000));
        assertFalse(gpa(0x2001).isAligned(2));
        assertEquals(gpa(1L << 63), TOP.alignDown(1L << 63));
        assertThrows(ArithmeticException.class, () -> TOP.alignUp(0x1000));
        assertThrows(IllegalArgumentException.class, () -> gpa(0).alignUp(0));
        assertThrows(IllegalArgumentException.class, () -> gpa(0).alignDown(3));
    }

    @Test
    @Tag("A-8")
    @Tag("memory_addr/range:new")
    @Tag("memory_addr/range:from_start_size")
    @Tag("memory_addr/range:try_from_start_size")
    @Tag("memory_addr/range:is_empty")
    @Tag("memory_addr/range:size")
    void rangesAreHalfOpenAndChecked() {
        assertThrows(IllegalArgumentException.class, () -> range(2, 1));
        assertTrue(range(2, 2).isEmpty());
        assertEquals(range(2, 5), AddrRange.ofSize(gpa(2), 3));
        assertThrows(ArithmeticException.class, () -> AddrRange.ofSize(TOP, 1));
        assertEquals(Optional.empty(), AddrRange.tryOfSize(TOP, 1));
        assertEquals(Optional.of(range(-1, -1)), AddrRange.tryOfSize(TOP, 0));
        assertEquals(-1L, range(0, -1).sizeBytes());
    }

    @Test
    @Tag("A-9")
    @Tag("A-10")
    @Tag("memory_addr:test_range")
    @Tag("memory_addr/range:contains")
    @Tag("memory_addr/range:contains_range")
    @Tag("memory_addr/range:contained_in")
    @Tag("memory_addr/range:overlaps")
    void predicatesAgreeWithTheDefinitionOnAllSmallRanges() {
        for (long a = 0; a <= 4; a++) {
            for (long b = a; b <= 4; b++) {
                AddrRange<GuestPhysAddr> outer = range(a, b);
                for (long c = 0; c <= 4; c++) {
                    assertEquals(a <= c && c < b, outer.contains(gpa(c)));
                    for (long d = c; d <= 4; d++) {
                        AddrRange<GuestPhysAddr> other = range(c, d);
                        assertEquals(a <= c && d <= b, outer.containsRange(other));
                        assertEquals(a <= c && d <= b, other.containedIn(outer));
                        assertEquals(a < d && c < b, outer.overlaps(other));
                    }
                }
            }
        }
    }

    @Test
    @Tag("A-157")
    void widthsHaveSizes() {
        assertEquals(AccessWidth.WORD, AccessWidth.ofBytes(2));
        assertEquals(8, AccessWidth.QWORD.sizeBytes());
        assertEquals(32, AccessWidth.DWORD.bits());
        for (long bad : new long[] {0, 3, 16, -1, (1L << 32) + 1}) {
            assertThrows(IllegalArgumentException.class, () -> AccessWidth.ofBytes(bad));
        }
    }

    @Test
    @Tag("A-158")
    void portsAreSixteenBits() {
        assertEquals("Port(0x3f8)", new Port(0x3f8).toString());
        assertThrows(IllegalArgumentException.class, () -> new Port(0x1_0000));
        assertThrows(IllegalArgumentException.class, () -> new Port(-1));
        assertEquals("SysRegAddr(0x1b)", new SysRegAddr(0x1b).toString());
    }

    @Test
    @Tag("A-160")
    void anAccessLiesInARangeWithItsFirstAndLastByte() {
        var mmio = new DeviceRange.Mmio(range(0x1000, 0x1010));
        assertTrue(mmio.contains(gpa(0x100c), AccessWidth.DWORD));
        assertFalse(mmio.contains(gpa(0x100d), AccessWidth.DWORD));
        assertFalse(mmio.contains(gpa(0xffe), AccessWidth.DWORD));
        assertFalse(new DeviceRange.Mmio(range(0, -1)).contains(gpa(-2), AccessWidth.QWORD));
        var ports = new DeviceRange.Ports(new Port(0xfff8), new Port(0xffff));
        assertTrue(ports.contains(new Port(0xfffe), AccessWidth.WORD));
        assertFalse(ports.contains(new Port(0xffff), AccessWidth.WORD));
        assertEquals("0xfff8..=0xffff", ports.toString());
    }

    @Test
    @Tag("A-159")
    void inclusiveRangesReversedContainNothing() {
        var ports = new DeviceRange.Ports(new Port(5), new Port(4));
        assertFalse(ports.contains(new Port(5), AccessWidth.BYTE));
        assertFalse(ports.contains(new Port(4), AccessWidth.BYTE));
        var registers = new DeviceRange.SysRegs(new SysRegAddr(4), new SysRegAddr(-1));
        assertTrue(registers.contains(new SysRegAddr(-1)));
        assertFalse(registers.contains(new SysRegAddr(3)));
        assertFalse(
                new DeviceRange.SysRegs(new SysRegAddr(-1), new SysRegAddr(4))
                        .contains(new SysRegAddr(4)));
    }

    private static GuestPhysAddr gpa(long value) {
        return new GuestPhysAddr(value);
    }

    private static AddrRange<GuestPhysAddr> range(long start, long end) {
        return new AddrRange<>(gpa(start), gpa(end));
    }
}
