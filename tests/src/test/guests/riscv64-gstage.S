# SPDX-License-Identifier: Apache-2.0
# Asks a RISC-V machine with the H extension how it translates guest-physical addresses.
# Bare metal, M-mode, position independent, raw binary loaded at OA. No stack, no data section.
#   OA+0x00000  this code
#   OA+0x10000  parameter block  (u64 each)
#        0 hgatp to set            in
#        1 number of probes        in
#        2 flags                   in   bit0 menvcfg.PBMTE, bit1 menvcfg.ADUE(61), bit2 no hfence between probes
#        3 hgatp read back         out
#        4 done marker 0x600d      out
#        5 misa                    out
#        6 menvcfg read back       out
#        7 cause of an early trap  out
#   OA+0x11000  context (registers saved around a probe)
#   OA+0x100000 records, 64 bytes each
#        0 gpa  1 kind ('r','w': HLV.D/HSV.D, 'x': a fetch in VS mode, 'h': HLVX)   in
#        2 status (0 = not run, 1 = ok, 2 = trap, 3 = stored but not readable)  3 value  4 mcause  5 mtval  6 mtval2  7 mtinst   out
	.option norvc
	.option norelax
	.globl _start
_start:
	csrr	t0, mhartid
	bnez	t0, park
	auipc	s11, 0            # s11 = address of this instruction
	addi	s11, s11, -8      # = OA
	li	t0, 0x10000
	add	s10, s11, t0      # params
	li	t0, 0x11000
	add	s9, s11, t0       # context
	li	t0, 0x100000
	add	s8, s11, t0       # record cursor
	la	t0, early
	csrw	mtvec, t0
	csrw	mie, zero
	# PMP: one entry, everything, RWX (HLV runs with V=1 privilege and needs it)
	li	t0, -1
	csrw	pmpaddr0, t0
	li	t0, 0x1f
	csrw	pmpcfg0, t0
	csrw	medeleg, zero
	csrw	mideleg, zero
	csrr	t0, misa
	sd	t0, 40(s10)
	ld	s7, 16(s10)       # flags
	andi	t1, s7, 1
	slli	t1, t1, 62        # PBMTE
	andi	t2, s7, 2
	slli	t2, t2, 60        # ADUE = bit 61
	or	t1, t1, t2
	csrw	0x30a, t1         # menvcfg
	csrr	t1, 0x30a
	sd	t1, 48(s10)
	csrw	0x280, zero       # vsatp = bare
	csrw	0x607, zero       # hgeie
	csrw	0x602, zero       # hedeleg
	csrw	0x603, zero       # hideleg
	csrw	0x200, zero       # vsstatus
	li	t0, 0x100         # hstatus.SPVP = 1 (VS privilege for HLV)
	csrs	0x600, t0
	ld	t0, 0(s10)
	csrw	0x680, t0         # hgatp
	csrr	t0, 0x680
	sd	t0, 24(s10)
	.word	0x62000073        # hfence.gvma x0,x0
	la	t0, trap
	csrw	mtvec, t0
	csrw	mscratch, s9
	ld	s6, 8(s10)        # probes left
loop:
	beqz	s6, done
	andi	t0, s7, 4
	bnez	t0, 1f
	.word	0x62000073        # hfence.gvma x0,x0
1:	ld	a0, 0(s8)         # gpa
	ld	a1, 8(s8)         # kind
	sd	s6, 0(s9)
	sd	s7, 8(s9)
	sd	s8, 16(s9)
	sd	s9, 24(s9)
	sd	s10, 32(s9)
	sd	s11, 40(s9)
	li	t0, 'r'
	beq	a1, t0, do_r
	li	t0, 'w'
	beq	a1, t0, do_w
	li	t0, 'h'
	beq	a1, t0, do_h
	li	t0, 'x'
	beq	a1, t0, do_x
	j	next
do_r:
	.insn r 0x73, 4, 0x36, a2, a0, x0     # hlv.d a2,(a0)
	j	ok
do_w:
	andi	a0, a0, -8
	mv	a3, a0
	slli	t0, a0, 52                    # page offset 0: write to offset 16
	bnez	t0, 1f
	addi	a3, a0, 16
1:	# read the old value and store it back (memory stays as it was); where the read traps, store zero
	li	t0, 4                         # status 4: this read is only a preparation
	sd	t0, 16(s8)
	.insn r 0x73, 4, 0x36, a4, a3, x0     # hlv.d a4,(a3)
	j	3f
2:	li	a4, 0
3:	sd	zero, 16(s8)
	.word	0x62000073                    # hfence.gvma x0,x0
	.insn r 0x73, 4, 0x37, x0, a3, a4     # hsv.d a4,(a3)
	li	t0, 3                         # status 3: store done, read back still to do
	sd	t0, 16(s8)
	.insn r 0x73, 4, 0x36, a2, a0, x0     # hlv.d a2,(a0)
	j	ok
do_h:
	.insn r 0x73, 4, 0x34, a2, a0, x3     # hlvx.wu a2,(a0)
	addi	a4, a0, 4
	.insn r 0x73, 4, 0x34, a4, a4, x3     # high half
	slli	a4, a4, 32
	or	a2, a2, a4
	j	ok
do_x:
	# run at gpa (gpa+8 when page aligned) in VS mode; any non-page-fault trap back means the fetch worked
	slli	t0, a0, 52
	bnez	t0, 1f
	addi	a0, a0, 8
1:	csrw	mepc, a0
	li	t0, 0x2004000                 # mtimecmp: now + 50,000,000 ticks (5 s): a busy host may stall for long
	li	t1, 0x200bff8
	ld	t1, 0(t1)
	li	t2, 50000000
	add	t1, t1, t2
	sd	t1, 0(t0)
	li	t0, 0x80
	csrw	mie, t0                       # MTIE
	li	t0, (3<<11)
	csrc	mstatus, t0
	li	t0, (1<<11)                   # MPP = S
	csrs	mstatus, t0
	li	t0, 1
	slli	t0, t0, 39                    # MPV = 1
	csrs	mstatus, t0
	mret
ok:	sd	a2, 24(s8)
	li	t0, 1
	sd	t0, 16(s8)
next:	addi	s8, s8, 64
	addi	s6, s6, -1
	j	loop
	.balign 4
trap:
	csrw	mie, zero
	csrr	s9, mscratch
	ld	s6, 0(s9)
	ld	s7, 8(s9)
	ld	s8, 16(s9)
	ld	s10, 32(s9)
	ld	s11, 40(s9)
	ld	t1, 16(s8)
	li	t0, 4
	beq	t0, t1, 2b
	csrr	t0, mcause
	sd	t0, 32(s8)
	csrr	t0, mtval
	sd	t0, 40(s8)
	csrr	t0, 0x34b                     # mtval2
	sd	t0, 48(s8)
	csrr	t0, 0x34a                     # mtinst
	sd	t0, 56(s8)
	ld	t1, 16(s8)
	li	t0, 3
	beq	t0, t1, next                  # store was done, read back failed: keep status 3
	li	t0, 2
	sd	t0, 16(s8)
	j	next
	.balign 4
early:
	csrr	t0, mcause
	sd	t0, 56(s10)
	li	t0, 0xbad
	sd	t0, 32(s10)
	j	off
done:	li	t0, 0x600d
	sd	t0, 32(s10)
off:	li	t0, 0x100000
	li	t1, 0x5555
	sw	t1, 0(t0)
park:	wfi
	j	park
