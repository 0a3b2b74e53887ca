/*
 * cpu/insn.c - what exactly did the faulting instruction touch?
 *
 * Unicorn's hook is told the page only, and calls the first half of a
 * read-modify-write a read.  The kernel wants what the hardware says: cr2 to
 * the byte (si_addr, stack growth) and one write fault.  So the instruction is
 * decoded as far as its memory operands.  Whatever is computed must lie in the
 * page that faulted, or it is not believed.
 */
#include "core/core.h"
#include "cpu/cpu.h"
#include "cpu/shape.h"

/*
 * In 64-bit code a word on the stack has 8 bytes, a prefix of 67 makes addresses
 * 32 bits short, not 16, and REX gives operands of 8 bytes and eight registers more.
 */
struct insn {
	kulong at; /* the next byte */
	uint8_t opcode;
	uint8_t rex; /* 0 = none */
	bool two_byte;
	bool operand16, short_address;
	bool overridden; /* fs or gs: */
	kulong segment;  /* its base */
	bool memory;     /* a modrm or moffs operand: */
	kulong operand;
	bool stack;  /* what was touched is found by sp or bp */
	uint8_t reg; /* the modrm field */
};

static uint8_t next_byte(struct vmemu *m, struct insn *insn)
{
	int byte = cpu_user_byte(m, insn->at++);

	/* It was fetched, so it is there. */
	return byte < 0 ? 0 : (uint8_t)byte;
}

static kulong next_number(struct vmemu *m, struct insn *insn, int bytes)
{
	kulong number = 0;
	int i;

	for (i = 0; i < bytes; i++)
		number |= (kulong)next_byte(m, insn) << 8 * i;
	return number;
}

/* A general register by its number in instructions: they stand in this order. */
static kulong general(struct vmemu *m, int number)
{
	return ((const kulong *)&m->regs)[number & (LONG_MODE ? 15 : 7)];
}

/* Bytes that push and pop move. */
static kulong stack_word(const struct insn *insn)
{
	return insn->operand16 && !(insn->rex & REX_W) ? 2 : sizeof(kulong);
}

/* An address as whole registers give it. */
static kulong shortened(const struct insn *insn, kulong address)
{
	if (!insn->short_address)
		return address;
	return LONG_MODE ? (uint32_t)address : (uint16_t)address;
}

/* Takes note of it, if it is one. */
static bool prefix(struct vmemu *m, struct insn *insn, uint8_t byte)
{
	if (!is_prefix(byte))
		return false;
	insn->rex = is_rex(byte) ? byte : 0;
	switch (byte) {
	case 0x64: /* the other segments are flat */
	case 0x65:
		insn->segment =
			cpu_segment_base(m, byte == 0x64 ? REG_FS : REG_GS);
		insn->overridden = true;
		break;
	case 0x66:
		insn->operand16 = true;
		break;
	case 0x67:
		insn->short_address = true;
		break;
	}
	return true;
}

static bool has_modrm(const struct insn *insn)
{
	uint8_t op = insn->opcode;

	if (insn->two_byte)
		return !((op >= 0x05 && op <= 0x0b) ||
			 (op >= 0x30 && op <= 0x37) || op == 0x77 ||
			 (op >= 0x80 && op <= 0x8f) ||
			 (op >= 0xa0 && op <= 0xa2) ||
			 (op >= 0xa8 && op <= 0xaa) ||
			 (op >= 0xc8 && op <= 0xcf));
	if (op < 0x40)
		return (op & 7) < 4;
	return op == 0x62 || op == 0x63 || op == 0x69 || op == 0x6b ||
	       (op & 0xf0) == 0x80 || op == 0xc0 || op == 0xc1 ||
	       (op >= 0xc4 && op <= 0xc7) || (op >= 0xd0 && op <= 0xd3) ||
	       op >= 0xfe || (op & 0xf8) == 0xd8 || op == 0xf6 || op == 0xf7;
}

static kulong modrm16(struct vmemu *m, struct insn *insn, int mod, int rm)
{
	static const uint8_t base[] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const uint8_t index[] = { 6, 7, 6, 7 };
	kulong address = 0;

	if (mod || rm != 6)
		address = general(m, base[rm]);
	if (rm < 4)
		address += general(m, index[rm]);
	if (mod == 1)
		address += (kulong)(int8_t)next_byte(m, insn);
	else if (mod == 2 || rm == 6)
		address += next_number(m, insn, 2);
	return address & 0xffff;
}

/* Where the instruction ends: some operands are relative to that. */
static kulong insn_end(struct vmemu *m)
{
	uint8_t code[CPU_INSN_BYTES];
	kulong i;

	for (i = 0; i < sizeof(code); i++)
		code[i] = (uint8_t)cpu_user_byte(m, m->regs.ip + i);
	return m->regs.ip + (kulong)cpu_insn_length(code);
}

static kulong modrm(struct vmemu *m, struct insn *insn, int mod, int rm)
{
	kulong address = 0;
	bool absolute = !mod && rm == 5, relative = LONG_MODE && absolute;

	if (rm == 4) {
		int sib = next_byte(m, insn);
		int index = (sib >> 3 & 7) | (insn->rex & REX_X) << 2;

		if (index != 4)
			address = general(m, index) << (sib >> 6);
		rm = sib & 7;
		absolute = !mod && rm == 5;
	}
	if (!absolute) {
		rm |= (insn->rex & REX_B) << 3;
		address += general(m, rm);
		insn->stack = (rm == 4 || rm == 5) && !insn->overridden;
		/* pop's operand is found when sp has moved */
		if (rm == 4 && !insn->two_byte && insn->opcode == 0x8f)
			address += stack_word(insn);
	}
	if (mod == 1)
		address += (kulong)(int8_t)next_byte(m, insn);
	else if (mod == 2 || absolute)
		address += (kulong)(int32_t)next_number(m, insn, 4);
	return relative ? address + insn_end(m) : address;
}

/* bt, bts, btr, btc reach beyond their operand: by so many bytes */
static kulong bit_offset(struct vmemu *m, const struct insn *insn)
{
	kulong bit = general(m, insn->reg | (insn->rex & REX_R) << 1);

	if (insn->rex & REX_W)
		return (kulong)((int64_t)bit >> 6) * 8;
	if (insn->operand16)
		return (kulong)((int16_t)bit >> 4) * 2;
	return (kulong)((int32_t)bit >> 5) * 4;
}

static void decode(struct vmemu *m, struct insn *insn)
{
	uint8_t byte;
	int mod, count = 0;

	while (prefix(m, insn, byte = next_byte(m, insn)) && ++count < 15)
		;
	if (byte == 0x0f) {
		insn->two_byte = true;
		byte = next_byte(m, insn);
		if (byte == 0x38 || byte == 0x3a)
			next_byte(m, insn);
	}
	insn->opcode = byte;
	if (!insn->two_byte && byte >= 0xa0 && byte <= 0xa3) {
		insn->memory = true;
		insn->operand = next_number(
			m, insn, (int)sizeof(kulong) >> insn->short_address);
	} else if (has_modrm(insn)) {
		byte = next_byte(m, insn);
		mod = byte >> 6;
		insn->reg = byte >> 3 & 7;
		if (mod == 3)
			return;
		insn->memory = true;
		insn->operand = !LONG_MODE && insn->short_address ?
					modrm16(m, insn, mod, byte & 7) :
					modrm(m, insn, mod, byte & 7);
	}
	if (insn->two_byte && insn->memory && (insn->opcode & 0xe7) == 0xa3)
		insn->operand += bit_offset(m, insn);
	insn->operand = shortened(insn, insn->operand) + insn->segment;
}

/* Does it write the memory operand it reads? */
static bool read_modify_write(const struct insn *insn)
{
	uint8_t op = insn->opcode;

	if (!insn->memory)
		return false;
	if (insn->two_byte)
		switch (op) {
		case 0xa4: /* shld, shrd */
		case 0xa5:
		case 0xac:
		case 0xad:
		case 0xab: /* bts, btr, btc */
		case 0xb3:
		case 0xbb:
		case 0xb0: /* cmpxchg, xadd, cmpxchg8b */
		case 0xb1:
		case 0xc0:
		case 0xc1:
			return true;
		case 0xba:
			return insn->reg > 4;
		case 0xc7:
			return insn->reg == 1;
		default:
			return false;
		}
	if (op < 0x38)
		return (op & 7) < 2; /* add or adc sbb and sub xor */
	switch (op) {
	case 0x80:
	case 0x81:
	case 0x82:
	case 0x83:
		return insn->reg != 7; /* cmp */
	case 0x86:                     /* xchg */
	case 0x87:
	case 0xc0: /* shifts */
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return true;
	case 0xf6: /* not, neg */
	case 0xf7:
		return insn->reg == 2 || insn->reg == 3;
	case 0xfe: /* inc, dec */
	case 0xff:
		return insn->reg < 2;
	}
	return false;
}

/* Bytes: of fxsave; of xsave with AVX */
enum { LONGEST_OPERAND = LONG_MODE ? 832 : 512 };

/* The operand in the faulting page, if this can be it. */
static bool in_page(kulong operand, kulong page, kulong *address)
{
	if ((operand & PAGE_MASK) == page)
		*address = operand;
	else if (page - operand >= LONGEST_OPERAND)
		return false;
	else
		*address = page; /* it starts in the page before */
	return true;
}

/* Operands no modrm byte names: strings, then the stack. */
static kulong implied(struct vmemu *m, struct insn *insn, kulong page,
		      uint32_t access)
{
	const struct cpu_regs *regs = &m->regs;
	kulong si = shortened(insn, regs->si) + insn->segment;
	kulong di = shortened(insn, regs->di);
	kulong word = stack_word(insn);
	kulong address;

	insn->stack = false;
	if (insn->two_byte && insn->opcode == 0xf7) /* maskmov */
		return in_page(di + insn->segment, page, &address) ? address :
								     page;
	if (!insn->two_byte)
		switch (insn->opcode) {
		case 0xa4: /* movs, cmps, lods, outs */
		case 0xa5:
		case 0xa6:
		case 0xa7:
		case 0xac:
		case 0xad:
		case 0x6e:
		case 0x6f:
			if (access == ACCESS_READ &&
			    in_page(si, page, &address))
				return address;
			/* fallthrough */
		case 0xaa: /* stos, scas, ins */
		case 0xab:
		case 0xae:
		case 0xaf:
		case 0x6c:
		case 0x6d:
			return in_page(di, page, &address) ? address : page;
		case 0xd7: /* xlat */
			address = shortened(insn, regs->bx + (regs->ax & 0xff));
			if (in_page(address + insn->segment, page, &address))
				return address;
			break;
		case 0xc9: /* leave */
			insn->stack = true;
			return in_page(regs->bp, page, &address) ? address :
								   page;
		}
	insn->stack = true;
	if (access == ACCESS_READ)
		return in_page(regs->sp, page, &address) ? address : page;
	if (in_page(regs->sp - word, page, &address))
		return address;
	/* pusha, enter: they have come down into this page */
	return page + PAGE_SIZE - word;
}

/* Where the instruction touched the page; may turn a read into a write. */
static kulong touched(struct vmemu *m, struct insn *insn, kulong page,
		      uint32_t *access)
{
	kulong address;
	bool stack;

	decode(m, insn);
	/* call and push read their operand and write the stack */
	stack = !insn->two_byte && insn->opcode == 0xff &&
		*access == ACCESS_WRITE && insn->reg >= 2;
	/* and pop reads that first */
	if (!insn->two_byte && insn->opcode == 0x8f)
		stack = *access == ACCESS_READ;
	if (insn->memory && !stack && in_page(insn->operand, page, &address)) {
		if (read_modify_write(insn))
			*access = ACCESS_WRITE;
		return address;
	}
	return implied(m, insn, page, *access);
}

kulong cpu_fault_address(struct vmemu *m, kulong page, uint32_t *access)
{
	struct insn insn = { .at = m->regs.ip };

	if (*access == ACCESS_FETCH)
		return (m->regs.ip & PAGE_MASK) == page ? m->regs.ip : page;
	return touched(m, &insn, page, access);
}

bool cpu_touches_stack(struct vmemu *m, kulong page, uint32_t access)
{
	struct insn insn = { .at = m->regs.ip };

	touched(m, &insn, page, &access);
	return insn.stack;
}

/* May an operand of up to so many bytes reach into the page? */
static bool reaches(kulong operand, kulong bytes, kulong page)
{
	return operand - page < PAGE_SIZE || page - operand < bytes;
}

/* Does it make the CPU read a descriptor, other than by a trap? */
static bool loads_segment(const struct insn *insn, bool *pops)
{
	*pops = false;
	if (insn->two_byte)
		switch (insn->opcode) {
		case 0x00: /* verr, verw; the others are ring 0's */
			return insn->reg == 4 || insn->reg == 5;
		case 0x02: /* lar, lsl */
		case 0x03:
		case 0xb2: /* lss, lfs, lgs */
		case 0xb4:
		case 0xb5:
			return true;
		case 0xa1: /* pop fs, gs */
		case 0xa9:
			*pops = true;
			return true;
		default:
			return false;
		}
	switch (insn->opcode) {
	case 0x8e: /* mov to a segment register */
		return true;
	case 0x9a: /* far call, jump */
	case 0xea:
	case 0xc4: /* les, lds */
	case 0xc5:
		return !LONG_MODE; /* undefined, VEX */
	case 0xff:                 /* far call, jump */
		return insn->memory && (insn->reg == 3 || insn->reg == 5);
	case 0x07: /* pop es, ss, ds */
	case 0x17:
	case 0x1f:
		*pops = !LONG_MODE;
		return !LONG_MODE;
	case 0xca: /* far return, iret */
	case 0xcb:
	case 0xcf:
		*pops = true;
		return true;
	}
	return false;
}

/*
 * User code has no business in the GDT's page, but what it does to segments
 * makes the CPU read it.  Operands come first: if one may be there, this is it.
 */
bool cpu_reads_descriptor(struct vmemu *m, kulong page)
{
	/* Bytes: a selector and an offset; what iret pops. */
	enum {
		FAR_POINTER = sizeof(kulong) + 2,
		FAR_FRAME = 5 * sizeof(kulong)
	};
	struct insn insn = { .at = m->regs.ip };
	bool pops;

	decode(m, &insn);
	if (!loads_segment(&insn, &pops))
		return false;
	if (pops)
		return !reaches(m->regs.sp, FAR_FRAME, page);
	return !insn.memory || !reaches(insn.operand, FAR_POINTER, page);
}
