// SPDX-License-Identifier: Apache-2.0
// Asks an AArch64 machine how its stage 2 translates IPAs. Bare metal at EL2, position independent raw binary at OA.
//   OA+0x00000 code (vectors at +0x800)
//   OA+0x10000 parameter block (u64)
//        0 VTCR_EL2  1 VTTBR_EL2  2 number of probes  3 HCR_EL2 (without TGE)   in
//        4 VTCR back 5 VTTBR back 6 HCR back 7 done 0x600d / 0xbad
//        8 ID_AA64MMFR0 9 ID_AA64MMFR1 10 CurrentEL 11 early ESR 12 early ELR 13 ID_AA64MMFR2       out
//   OA+0x100000 records, 64 bytes
//        0 gpa 1 kind ('r','w': AT S12E1R/W; 'x': fetch at EL1; 'e': fetch at EL0)  in
//        2 status (1 AT done, 2 exception) 3 PAR_EL1 4 ESR 5 FAR 6 HPFAR 7 ESR_EL1  out
	.arch armv8-a
	.globl _start
_start:
	adr	x28, _start               // OA
	add	x27, x28, #0x10000        // params   (0x10 << 12)
	add	x26, x28, #0x100000       // record cursor
	adr	x0, vectors
	msr	vbar_el2, x0
	msr	daifset, #15
	mrs	x0, CurrentEL
	str	x0, [x27, #80]
	mrs	x0, ID_AA64MMFR0_EL1
	str	x0, [x27, #64]
	mrs	x0, ID_AA64MMFR1_EL1
	str	x0, [x27, #72]
	mrs	x0, S3_0_C0_C7_2          // ID_AA64MMFR2_EL1
	str	x0, [x27, #104]
	mov	x25, #0                   // 0 = early, 1 = in probes
	msr	oslar_el1, xzr
	msr	sctlr_el1, xzr
	msr	tcr_el1, xzr
	msr	cptr_el2, xzr
	mov	x0, #(1<<8)               // MDCR_EL2.TDE: debug exceptions go to EL2
	msr	mdcr_el2, x0
	mov	x0, #1                    // MDSCR_EL1.SS
	msr	mdscr_el1, x0
	ldr	x0, [x27, #0]
	msr	vtcr_el2, x0
	ldr	x0, [x27, #8]
	msr	vttbr_el2, x0
	ldr	x24, [x27, #24]
	msr	hcr_el2, x24
	isb
	mrs	x0, vtcr_el2
	str	x0, [x27, #32]
	mrs	x0, vttbr_el2
	str	x0, [x27, #40]
	mrs	x0, hcr_el2
	str	x0, [x27, #48]
	ldr	x23, [x27, #16]           // left
	mov	x25, #1
loop:
	cbz	x23, done
	tlbi	alle1
	dsb	sy
	isb
	add	x9, x28, #0x11, lsl #12   // a wild guest instruction may clobber registers: keep ours
	stp	x23, x24, [x9]
	stp	x25, x26, [x9, #16]
	ldr	x0, [x26]
	ldr	x1, [x26, #8]
	cmp	x1, #'r'
	b.eq	do_r
	cmp	x1, #'w'
	b.eq	do_w
	cmp	x1, #'x'
	b.eq	do_x
	cmp	x1, #'e'
	b.eq	do_e
	b	next
do_r:	at	s12e1r, x0
	b	par
do_w:	at	s12e1w, x0
par:	isb
	mrs	x2, par_el1
	str	x2, [x26, #24]
	mov	x2, #1
	str	x2, [x26, #16]
next:	add	x26, x26, #64
	sub	x23, x23, #1
	b	loop
do_e:	mov	x4, #0x3c0                // EL0t, DAIF masked
	orr	x5, x24, #(1<<27)         // HCR.TGE: everything from EL0 comes to EL2
	b	go
do_x:	mov	x4, #0x3c5                // EL1h
	mov	x5, x24
go:	at	s12e1r, x0                // for the PA only
	isb
	mrs	x2, par_el1
	tbz	x2, #0, 1f
	at	s12e1w, x0
	isb
	mrs	x2, par_el1
1:	str	x2, [x26, #24]
	tlbi	alle1
	dsb	sy
	orr	x4, x4, #(1<<21)          // SPSR.SS: one instruction only
	ands	x6, x0, #0xfff
	b.ne	2f
	add	x0, x0, #8
2:	msr	vbar_el1, xzr             // an exception of EL1 itself: its vector is stepped, or aborts to EL2
	msr	esr_el1, xzr
	msr	hcr_el2, x5
	msr	elr_el2, x0
	msr	spsr_el2, x4
	isb
	eret
	.balign 0x800
vectors:
	.rept 16
	.balign 0x80
	b	trap
	.endr
trap:
	adr	x28, _start
	add	x27, x28, #0x10, lsl #12
	add	x9, x28, #0x11, lsl #12
	cbz	x25, early                // x25: only code of ours runs while it is 0
	ldp	x23, x24, [x9]
	ldp	x25, x26, [x9, #16]
	msr	hcr_el2, x24
	isb
	mov	x2, #2
	str	x2, [x26, #16]
	mrs	x2, esr_el2
	str	x2, [x26, #32]
	mrs	x2, far_el2
	str	x2, [x26, #40]
	mrs	x2, hpfar_el2
	str	x2, [x26, #48]
	mrs	x2, esr_el1
	str	x2, [x26, #56]
	b	next
early:	mrs	x2, esr_el2
	str	x2, [x27, #88]
	mrs	x2, elr_el2
	str	x2, [x27, #96]
	mov	x2, #0xbad
	b	off
done:	mov	x2, #0x600d
off:	str	x2, [x27, #56]
	dsb	sy
	ldr	x0, =0x84000008           // PSCI SYSTEM_OFF
	smc	#0
park:	wfi
	b	park
	.ltorg
