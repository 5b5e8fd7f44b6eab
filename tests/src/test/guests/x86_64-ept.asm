; SPDX-License-Identifier: Apache-2.0
; Asks an x86-64 machine with VMX how EPT translates guest-physical addresses.
; A 64 KiB system ROM for Bochs (mapped at FFFF0000h), no BIOS.
; Loads chunks from the first IDE disk into RAM by PIO, enters long mode, VMXON, and for every probe
; enters a small guest that touches the probe address through the EPT under test.
;
; Disk: LBA 0  header, u64: 0 magic 'EPTORACL'  1 EPTP  2 probes  3 chunks  4 flags  5 LBA of chunk table  6 its sectors
;       chunk table: 24 bytes each: u64 pa, u64 LBA, u64 sectors          -> 20000h (max 70000h bytes)
;       flags: bit0 = after a fetch that worked, do not also read
; Records at 100000h, 128 bytes each, u64:
;   0 gpa  1 kind (r w x)                                               in
;   2 status: 1 ok, 2 VM exit, 3 VM entry failed, 9 gpa >= 2^40         out
;   3 value read  4 exit reason  5 qualification  6 guest physical  7 guest linear
;   8 interruption info  9 its error code  10 guest RIP  11 VM instruction error  12 read-after-fetch value valid
; Done: u64 at 18800h = 600Dh or BAD0h+n ; 18808h.. details. Ends with xchg bx,bx (magic break).

PML4	equ 1000h
PDPT	equ 2000h
VMXONR	equ 3000h
VMCS	equ 4000h
GCODE	equ 5000h
GPML4_0	equ 6000h			; for overlay in slot 0
GPML4_1	equ 7000h			; for overlay in slot 1
GPDPTL	equ 8000h
GPDPTH	equ 9000h
EPTR_0	equ 0A000h			; clone of the root, slot 0 overlaid (for probes in slot 1)
EPTR_1	equ 0B000h			; clone of the root, slot 1 overlaid (for probes in slot 0)
OVPDPT	equ 0C000h
OVPD	equ 0D000h
OVPT	equ 0E000h
GSTACK	equ 10000h
HSTACK	equ 13000h
PARAM	equ 18000h
DONE	equ 18800h
CHUNKS	equ 20000h
RECS	equ 100000h
ROM	equ 0FFFF0000h

	org 0
	bits 32
%define R(x) (ROM + (x))

pm32:	mov	ax, 10h
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	mov	fs, ax
	mov	gs, ax
	mov	esp, HSTACK
	; clear low tables
	cld
	xor	eax, eax
	mov	edi, 1000h
	mov	ecx, (20000h - 1000h) / 4
	rep stosd
	; host identity map: 512 x 1 GiB
	mov	dword [PML4], PDPT + 23h
	mov	edi, PDPT
	xor	ecx, ecx
.p:	mov	eax, ecx
	shl	eax, 30
	or	eax, 0E3h
	mov	[edi], eax
	mov	eax, ecx
	shr	eax, 2
	mov	[edi + 4], eax
	add	edi, 8
	inc	ecx
	cmp	ecx, 512
	jb	.p
	mov	eax, cr4
	or	eax, 20h			; PAE
	mov	cr4, eax
	mov	eax, PML4
	mov	cr3, eax
	mov	ecx, 0C0000080h
	rdmsr
	or	eax, 100h			; LME
	wrmsr
	mov	eax, cr0
	or	eax, 80000021h			; PG NE PE
	and	eax, 9FFFFFFFh			; CD=NW=0
	mov	cr0, eax
	jmp	dword 18h:R(lm64)

	bits 64
lm64:	mov	rsp, HSTACK
	; disk header
	xor	rbx, rbx			; LBA
	mov	rdi, PARAM
	mov	rcx, 1
	call	ata_read
	mov	rax, 'EPTORACL'
	cmp	[PARAM], rax
	mov	eax, 0BAD1h
	jne	fail
	; chunk table
	mov	rbx, [PARAM + 40]
	mov	rcx, [PARAM + 48]
	mov	rdi, CHUNKS
	call	ata_read
	; chunks
	mov	r12, CHUNKS
	mov	r13, [PARAM + 24]
.ch:	test	r13, r13
	jz	.loaded
	mov	rdi, [r12]
	mov	rbx, [r12 + 8]
	mov	rcx, [r12 + 16]
	call	ata_read
	add	r12, 24
	dec	r13
	jmp	.ch
.loaded:
	; guest code page
	mov	rsi, R(gcode)
	mov	rdi, GCODE
	mov	ecx, gcode_end - gcode
	rep movsb
	; guest paging: PML4[0] -> low PDPT, PML4[1] -> high PDPT (GPA of the tables depends on the overlay slot)
	mov	rax, GPDPTL + 23h
	mov	[GPML4_0], rax
	mov	rax, GPDPTH + 23h
	mov	[GPML4_0 + 8], rax
	mov	rax, 8000000000h + GPDPTL + 23h
	mov	[GPML4_1], rax
	mov	rax, 8000000000h + GPDPTH + 23h
	mov	[GPML4_1 + 8], rax
	xor	ecx, ecx
	mov	rdi, GPDPTL
.g:	mov	rax, rcx
	shl	rax, 30
	or	rax, 0E3h
	mov	[rdi + rcx*8], rax
	inc	ecx
	cmp	ecx, 1024			; runs on into GPDPTH
	jb	.g
	; overlay EPT: 16 pages from 0, WB RWX
	mov	qword [OVPDPT], OVPD + 7
	mov	qword [OVPD], OVPT + 7
	xor	ecx, ecx
.o:	mov	eax, ecx
	shl	eax, 12
	or	eax, 37h
	mov	[OVPT + rcx*8], rax
	inc	ecx
	cmp	ecx, 18
	jb	.o
	; clones of the root
	mov	rsi, [PARAM + 8]
	mov	rax, 0FFFFFFFFFF000h
	and	rsi, rax
	mov	rdi, EPTR_0
	mov	ecx, 512
	push	rsi
	rep movsq
	pop	rsi
	mov	rdi, EPTR_1
	mov	ecx, 512
	rep movsq
	mov	qword [EPTR_0], OVPDPT + 7
	mov	qword [EPTR_1 + 8], OVPDPT + 7

	; VMX on
	mov	ecx, 3Ah			; IA32_FEATURE_CONTROL
	rdmsr
	test	eax, 1
	jnz	.locked
	or	eax, 5
	wrmsr
.locked:
	mov	rax, cr4
	or	rax, 2000h
	mov	cr4, rax
	mov	ecx, 480h
	rdmsr
	mov	[VMXONR], eax
	mov	[VMCS], eax
	mov	[DONE + 8], eax
	push	qword VMXONR
	vmxon	[rsp]
	pop	rax
	mov	eax, 0BAD2h
	jc	fail
	jz	fail
	push	qword VMCS
	vmclear	[rsp]
	vmptrld	[rsp]
	pop	rax
	mov	eax, 0BAD3h
	jc	fail
	jz	fail
	; IA32_VMX_EPT_VPID_CAP for the report
	mov	ecx, 48Ch
	rdmsr
	mov	[DONE + 16], eax
	mov	[DONE + 20], edx

%macro ctl 3			; field, msr, wanted
	mov	ecx, %2
	rdmsr
	or	eax, %3
	and	eax, edx
	mov	rdx, rax
	mov	eax, eax
	mov	ecx, %1
	vmwrite	rcx, rax
%endmacro
%macro vmw 2
	mov	rax, %2
	mov	ecx, %1
	vmwrite	rcx, rax
%endmacro
	ctl	4000h, 481h, 0
	ctl	4002h, 482h, (1<<31)|(1<<7)|(1<<24)	; secondary, HLT, unconditional I/O
	ctl	401Eh, 48Bh, (1<<1)			; EPT
	ctl	400Ch, 483h, (1<<9)|(1<<20)|(1<<21)	; host 64-bit, save/load EFER
	ctl	4012h, 484h, (1<<9)|(1<<15)		; IA-32e guest, load EFER
	vmw	4004h, 0FFFFFFFFh			; all exceptions exit
	vmw	4006h, 0				; #PF error code mask/match: all
	vmw	4008h, 0
	vmw	400Ah, 0				; CR3 targets
	vmw	400Eh, 0
	vmw	4010h, 0
	vmw	4014h, 0
	vmw	4016h, 0				; no event injection
	vmw	2800h, -1				; link pointer
	vmw	2802h, 0
	; guest segments
	vmw	0800h, 10h
	vmw	0802h, 8
	vmw	0804h, 10h
	vmw	0806h, 10h
	vmw	0808h, 10h
	vmw	080Ah, 10h
	vmw	080Ch, 0
	vmw	080Eh, 20h
%assign f 0
%rep 6
	vmw	4800h + f*2, 0FFFFFFFFh
	vmw	6806h + f*2, 0
%assign f f+1
%endrep
	vmw	480Ch, 0
	vmw	6812h, 0				; LDTR
	vmw	480Eh, 67h
	vmw	6814h, 0				; TR
	vmw	4810h, 0
	vmw	4812h, 0
	vmw	6816h, 0
	vmw	6818h, 0
	vmw	4814h, 0C093h
	vmw	4816h, 0A09Bh
	vmw	4818h, 0C093h
	vmw	481Ah, 0C093h
	vmw	481Ch, 0C093h
	vmw	481Eh, 0C093h
	vmw	4820h, 10000h
	vmw	4822h, 8Bh
	vmw	4824h, 0
	vmw	4826h, 0
	vmw	482Ah, 0
	vmw	6822h, 0
	vmw	6824h, 0
	vmw	6826h, 0
	vmw	681Ah, 400h
	vmw	6820h, 2
	vmw	2806h, 500h				; guest EFER LME LMA
	vmw	2C02h, 500h				; host EFER
	mov	rax, cr0
	mov	ecx, 6800h
	vmwrite	rcx, rax
	mov	ecx, 6C00h
	vmwrite	rcx, rax
	mov	rax, cr4
	mov	ecx, 6804h
	vmwrite	rcx, rax
	mov	ecx, 6C04h
	vmwrite	rcx, rax
	mov	rax, cr3
	mov	ecx, 6C02h
	vmwrite	rcx, rax
	vmw	6000h, 0				; CR0/CR4 masks and shadows
	vmw	6002h, 0
	vmw	6004h, 0
	vmw	6006h, 0
	; host segments
	vmw	0C00h, 10h
	vmw	0C02h, 18h
	vmw	0C04h, 10h
	vmw	0C06h, 10h
	vmw	0C08h, 10h
	vmw	0C0Ah, 10h
	vmw	0C0Ch, 20h
	vmw	6C06h, 0
	vmw	6C08h, 0
	vmw	6C0Ah, 0
	vmw	6C0Ch, R(gdt)
	vmw	6C0Eh, 0
	vmw	4C00h, 0
	vmw	6C10h, 0
	vmw	6C12h, 0
	vmw	6C14h, HSTACK - 100h
	vmw	6C16h, R(vmexit)

	xchg	bx, bx				; magic break: the driver may switch tracing on here
	mov	r15, RECS
	mov	r14, [PARAM + 16]
probe:	test	r14, r14
	jz	finish
	mov	rax, [r15]
	mov	rcx, rax
	shr	rcx, 40
	jnz	too_high
	mov	al, [r15 + 8]
	call	enter
	; a fetch that worked: read the page too, to learn the frame
	cmp	byte [r15 + 8], 'x'
	jne	next
	cmp	qword [r15 + 16], 1
	jne	next
	test	byte [PARAM + 32], 1
	jnz	next
	; keep the fetch's fields
	mov	rax, [r15 + 32]
	push	rax
	mov	rax, [r15 + 40]
	push	rax
	mov	rax, [r15 + 48]
	push	rax
	mov	rax, [r15 + 56]
	push	rax
	mov	al, 'r'
	call	enter
	mov	rax, [r15 + 16]
	mov	[r15 + 96], rax
	mov	qword [r15 + 16], 1
	pop	rax
	mov	[r15 + 56], rax
	pop	rax
	mov	[r15 + 48], rax
	pop	rax
	mov	[r15 + 40], rax
	pop	rax
	mov	[r15 + 32], rax
next:	add	r15, 128
	dec	r14
	jmp	probe
too_high:
	mov	qword [r15 + 16], 9
	jmp	next

; al = kind, r15 = record. One VM entry.
enter:
	mov	[DONE + 40], rsp
	mov	[DONE + 48], r15
	mov	[DONE + 56], r14
	mov	r11b, al
	; overlay slot: 1 unless the probe lies in slot 1
	mov	rbx, [r15]
	mov	rax, rbx
	shr	rax, 39
	mov	r8, [PARAM + 8]
	and	r8, 0FFFh			; EPTP low bits as given
	mov	rdx, [PARAM + 8]
	shr	rdx, 52
	shl	rdx, 52
	or	r8, rdx				; and the high ones
	cmp	rax, 1
	je	.s0
	mov	r9, 8000000000h			; overlay base GPA
	or	r8, EPTR_1
	mov	rdx, 8000000000h + GPML4_1
	jmp	.s
.s0:	xor	r9, r9
	or	r8, EPTR_0
	mov	rdx, GPML4_0
.s:	mov	ecx, 201Ah			; EPTP
	vmwrite	rcx, r8
	mov	ecx, 6802h			; guest CR3
	vmwrite	rcx, rdx
	lea	rax, [r9 + GSTACK + 0800h]
	mov	ecx, 681Ch			; guest RSP
	vmwrite	rcx, rax
	mov	ecx, 6820h			; guest RFLAGS: TF for a fetch probe = one instruction only, then a #DB exit
	mov	eax, 2
	cmp	r11b, 'x'
	jne	.nm
	mov	eax, 102h
.nm:	vmwrite	rcx, rax
	; clear what an earlier exit may have left
	xor	eax, eax
	mov	ecx, 4824h
	vmwrite	rcx, rax
	mov	ecx, 4016h
	vmwrite	rcx, rax
	mov	ecx, 6822h
	vmwrite	rcx, rax
	; INVEPT all contexts
	push	qword 0
	push	qword 0
	mov	eax, 2
	invept	rax, [rsp]
	add	rsp, 16
	; where to start
	mov	rsi, rbx			; rsi = gpa
	mov	rdi, rbx			; rdi = where to write
	test	ebx, 0FFFh
	jnz	.off
	add	rdi, 16
.off:	and	rdi, -8
	cmp	r11b, 'r'
	je	.r
	cmp	r11b, 'w'
	je	.w
	; fetch at gpa (+8 when page aligned)
	mov	rax, rbx
	test	ebx, 0FFFh
	jnz	.rip
	add	rax, 8
	jmp	.rip
.w:	lea	rax, [r9 + GCODE + gcode_w - gcode]
	jmp	.rip
.r:	lea	rax, [r9 + GCODE + gcode_r - gcode]
.rip:	mov	ecx, 681Eh
	vmwrite	rcx, rax
	; every guest register a safe address for whatever bytes a fetched page may hold
	lea	rax, [r9 + GSTACK + 0400h]
	mov	rbx, rax
	mov	rcx, rax
	mov	rdx, rax
	mov	rbp, rax
	mov	r8, rax
	mov	r10, rax
	mov	r12, rax
	mov	r13, rax
	cmp	byte [DONE + 24], 0
	jne	.resume
	vmlaunch
	jmp	.vmfail
.resume:
	vmresume
.vmfail:
	mov	r15, [DONE + 48]
	mov	r14, [DONE + 56]
	mov	ecx, 4400h
	vmread	rax, rcx
	mov	[r15 + 88], rax
	mov	qword [r15 + 16], 3
	ret

vmexit:
	; a stray instruction of the guest may have changed any register: r14/r15/rsp come from memory
	mov	[DONE + 64], rax
	mov	r15, [DONE + 48]
	mov	r14, [DONE + 56]
	mov	rsp, [DONE + 40]
	mov	ecx, 4402h
	vmread	rdx, rcx
	mov	[r15 + 32], rdx
	mov	ecx, 6400h
	vmread	rax, rcx
	mov	[r15 + 40], rax
	mov	ecx, 2400h
	vmread	rax, rcx
	mov	[r15 + 48], rax
	mov	ecx, 640Ah
	vmread	rax, rcx
	mov	[r15 + 56], rax
	mov	ecx, 4404h
	vmread	rax, rcx
	mov	[r15 + 64], rax
	mov	ecx, 4406h
	vmread	rax, rcx
	mov	[r15 + 72], rax
	mov	ecx, 681Eh
	vmread	rax, rcx
	mov	[r15 + 80], rax
	mov	rax, [DONE + 64]
	test	edx, edx			; bit 31: VM-entry failure
	js	.entryfail
	mov	byte [DONE + 24], 1		; launched
	cmp	edx, 18				; VMCALL: the guest code got through
	je	.ok
	cmp	edx, 48
	je	.exit
	cmp	edx, 49
	je	.exit
	cmp	byte [r15 + 8], 'x'		; any other exit of a fetch probe: the fetch worked
	je	.okx
.exit:	mov	qword [r15 + 16], 2
	ret
.okx:	mov	qword [r15 + 16], 1
	ret
.ok:	mov	[r15 + 24], rax
	mov	qword [r15 + 16], 1
	ret
.entryfail:
	mov	qword [r15 + 16], 3
	ret

finish:	mov	eax, 600Dh
fail:	mov	[DONE], rax
	xchg	bx, bx
.h:	hlt
	jmp	.h

; rbx = LBA, rcx = sectors, rdi = where. PIO, polled.
ata_read:
	push	rcx
	mov	dx, 3F6h
	mov	al, 2				; nIEN
	out	dx, al
	pop	rcx
.more:	test	rcx, rcx
	jz	.ret
	mov	r8, rcx
	cmp	r8, 256
	jbe	.n
	mov	r8d, 256
.n:	mov	dx, 1F7h
.b:	in	al, dx
	test	al, 80h
	jnz	.b
	mov	rax, rbx
	shr	rax, 24
	and	al, 0Fh
	or	al, 0E0h
	mov	dx, 1F6h
	out	dx, al
	mov	rax, r8
	mov	dx, 1F2h
	out	dx, al
	mov	rax, rbx
	mov	dx, 1F3h
	out	dx, al
	shr	rax, 8
	mov	dx, 1F4h
	out	dx, al
	shr	rax, 8
	mov	dx, 1F5h
	out	dx, al
	mov	dx, 1F7h
	mov	al, 20h				; READ SECTORS
	out	dx, al
	mov	r9, r8
.s:	in	al, dx
	test	al, 80h
	jnz	.s
	test	al, 1
	jnz	.err
	test	al, 8
	jz	.s
	push	rcx
	mov	ecx, 128
	mov	dx, 1F0h
	rep insd
	mov	dx, 1F7h
	pop	rcx
	dec	r9
	jnz	.s
	add	rbx, r8
	sub	rcx, r8
	jmp	.more
.ret:	ret
.err:	mov	eax, 0BAD5h
	jmp	fail

	align 16
gcode:
gcode_r:
	mov	rax, [rsi]
	vmcall
gcode_w:
	or	qword [rdi], byte 0		; a write access that changes nothing
	mov	rax, [rsi]
	vmcall
gcode_end:

	align 8
gdt:	dq 0
	dq 00CF9B000000FFFFh		; 08 32-bit code
	dq 00CF93000000FFFFh		; 10 data
	dq 00AF9B000000FFFFh		; 18 64-bit code
	dq 00008B0000000067h, 0		; 20 TSS
gdt_end:
gdtr:	dw gdt_end - gdt - 1
	dd R(gdt)

	times 0FF00h - ($ - $$) db 0FFh
	bits 16
start16:
	cli
	o32 lgdt [cs:gdtr]
	mov	eax, cr0
	or	al, 1
	mov	cr0, eax
	jmp	dword 08h:R(pm32)
	times 0FFF0h - ($ - $$) db 0FFh
	jmp	near start16
	times 10000h - ($ - $$) db 0FFh
