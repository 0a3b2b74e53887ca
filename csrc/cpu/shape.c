/*
 * cpu/shape.c - how long an instruction is, what Unicorn's translator does not
 * give back for it, and whether it is one that the translator may not see.
 */
#include "cpu/shape.h"

/* What the prefixes say of the bytes that follow them. */
struct sizes {
	int word;     /* bytes of most immediates and of a branch's distance */
	int constant; /* of the one that mov takes in full */
	int moffs;    /* of an address without modrm */
	bool modrm16; /* an i386's short addresses */
	bool repeated;
	bool operand16;
};

/* Bytes of a modrm operand, the modrm byte included. */
static int modrm_length(const uint8_t *p, const struct sizes *sizes)
{
	int mod = *p >> 6, rm = *p & 7;

	if (mod == 3)
		return 1;
	if (sizes->modrm16)
		return mod == 1 ? 2 : mod == 2 || rm == 6 ? 3 : 1;
	if (rm == 4)
		return mod == 1 ? 3 : mod == 2 || (p[1] & 7) == 5 ? 6 : 2;
	return mod == 1 ? 2 : mod == 2 || rm == 5 ? 5 : 1;
}

static int two_byte_shape(const uint8_t *p, const struct sizes *sizes,
			  struct shape *shape)
{
	uint8_t op = *p;
	int modrm;

	if (op == 0x38 || op == 0x3a) {
		shape->takes = 1;
		return 2 + modrm_length(p + 2, sizes) + (op == 0x3a);
	}
	if (op == 0x0f)
		return 0;
	if (op >= 0x80 && op <= 0x8f) {
		shape->ends = true;
		return 1 + sizes->word;
	}
	if ((op >= 0x05 && op <= 0x0b) || (op >= 0x30 && op <= 0x37) ||
	    op == 0x77 || (op >= 0xa0 && op <= 0xa2) ||
	    (op >= 0xa8 && op <= 0xaa) || (op >= 0xc8 && op <= 0xcf)) {
		shape->takes = op < 0x38;
		return 1;
	}
	if (op >= 0x20 && op <= 0x23) { /* mod does not count */
		shape->takes = 1;
		return 2;
	}
	modrm = modrm_length(p + 1, sizes);
	if (op < 0x04)
		shape->takes = 1;
	if (op == 0x78) {
		shape->takes = 2;
		return 1 + modrm +
		       (sizes->operand16 || sizes->repeated ? 2 : 0);
	}
	if ((op >= 0x70 && op <= 0x73) || op == 0xc2 ||
	    (op >= 0xc4 && op <= 0xc6)) {
		shape->takes = 1;
		return 2 + modrm;
	}
	return 1 + modrm + (op == 0xa4 || op == 0xac || op == 0xba);
}

/* Which the CPU does not have in 64-bit mode, but for VEX and EVEX. */
static bool undefined_in_long_mode(uint8_t op)
{
	switch (op) {
	case 0x06: /* push, pop of es, cs, ss, ds */
	case 0x07:
	case 0x0e:
	case 0x16:
	case 0x17:
	case 0x1e:
	case 0x1f:
	case 0x27: /* daa, das, aaa, aas */
	case 0x2f:
	case 0x37:
	case 0x3f:
	case 0x60: /* pusha, popa */
	case 0x61:
	case 0x82: /* as 0x80 */
	case 0x9a: /* far call, jump */
	case 0xea:
	case 0xce: /* into */
	case 0xd4: /* aam, aad, salc */
	case 0xd5:
	case 0xd6:
		return true;
	}
	return false;
}

/*
 * An instruction coded with VEX, or in 64-bit mode EVEX.  None is executed; where
 * the next one begins tells whether code is in step.
 */
static int vex_length(const uint8_t *p, const struct sizes *sizes)
{
	const uint8_t *op = p + (*p == 0xc5 ? 2 : *p == 0xc4 ? 3 : 4);
	int map = *p == 0xc5 ? 1 : p[1] & 7;
	bool immediate = map == 3;

	if (map == 1) {
		if (*op == 0x77)
			return (int)(op - p) + 1;
		immediate = (*op >= 0x70 && *op <= 0x73) || *op == 0xc2 ||
			    (*op >= 0xc4 && *op <= 0xc6);
	}
	return (int)(op - p) + 1 + modrm_length(op + 1, sizes) + immediate;
}

static int one_byte_shape(const uint8_t *p, const struct sizes *sizes,
			  struct shape *shape)
{
	uint8_t op = *p, reg = p[1] >> 3 & 7;
	int modrm = modrm_length(p + 1, sizes);
	int word = sizes->word;

	if (LONG_MODE) {
		shape->ends = undefined_in_long_mode(op);
		if (shape->ends)
			return 1;
		if (op == 0x62 || op == 0xc4 || op == 0xc5)
			return vex_length(p, sizes);
	}
	if (op < 0x40)
		return (op & 7) < 4  ? 1 + modrm :
		       (op & 7) == 4 ? 2 :
		       (op & 7) == 5 ? 1 + word :
				       1;
	if (op < 0x62 || (op >= 0x90 && op <= 0x99))
		return 1;
	if ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) ||
	    op == 0xeb || op == 0xcd) {
		shape->ends = true;
		return 2;
	}
	switch (op) {
	case 0x68:
	case 0xa9:
		return 1 + word;
	case 0x6a:
	case 0xa8:
		return 2;
	case 0xd4: /* aam, aad, in, out */
	case 0xd5:
	case 0xe4:
	case 0xe5:
	case 0xe6:
	case 0xe7:
		shape->takes = 1;
		return 2;
	case 0x6c:
	case 0x6d:
	case 0x6e:
	case 0x6f:
	case 0xce:
	case 0xec:
	case 0xed:
	case 0xee:
	case 0xef:
		shape->takes = 1;
		return 1;
	case 0x69:
	case 0x81:
	case 0xc7:
		return 1 + modrm + word;
	case 0x6b:
	case 0x80:
	case 0x82:
	case 0x83:
	case 0xc0:
	case 0xc1:
	case 0xc6:
		return 2 + modrm;
	case 0x9a: /* far call, jump */
	case 0xea:
		shape->ends = true;
		return 3 + word;
	case 0xe8:
	case 0xe9:
		shape->ends = true;
		return 1 + word;
	case 0xc2: /* returns */
	case 0xca:
		shape->ends = true;
		return 3;
	case 0xc3:
	case 0xcb:
	case 0xcc:
	case 0xcf:
		shape->ends = true;
		return 1;
	case 0xc8: /* enter */
		shape->takes = 1;
		return 4;
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		return 1 + sizes->moffs;
	case 0x8e:
		shape->takes = 1;
		return 1 + modrm;
	case 0xf6:
		return 1 + modrm + (reg < 2);
	case 0xf7:
		return 1 + modrm + (reg < 2 ? word : 0);
	case 0xff:
		shape->ends = reg >= 2 && reg <= 5;
		return 1 + modrm;
	case 0x62:
	case 0x63:
	case 0xfe:
		return 1 + modrm;
	case 0xc4: /* les, lds */
	case 0xc5:
		return p[1] < 0xc0 ? 1 + modrm : vex_length(p, sizes);
	}
	if (op >= 0xd8 && op <= 0xdf) {
		shape->takes = p[1] >= 0xc0 ? 2 : 1;
		return 1 + modrm;
	}
	if ((op >= 0x84 && op <= 0x8f) || (op >= 0xd0 && op <= 0xd3))
		return 1 + modrm;
	if (op >= 0xb0 && op <= 0xbf)
		return op < 0xb8 ? 2 : 1 + sizes->constant;
	return 1;
}

struct shape insn_shape(const uint8_t *p)
{
	bool operand16 = false, short_address = false;
	struct sizes sizes = { 0 };
	struct shape shape = { 0 };
	int prefixes = 0, length;
	uint8_t rex = 0;

	for (; is_prefix(*p); p++) {
		operand16 |= *p == 0x66;
		short_address |= *p == 0x67;
		sizes.repeated |= *p == 0xf2;
		rex = is_rex(*p) ? *p : 0;
		if (++prefixes == INSN_MAX - 1)
			return shape;
	}
	sizes.operand16 = operand16;
	sizes.word = operand16 && !(rex & REX_W) ? 2 : 4;
	sizes.constant = rex & REX_W ? 8 : sizes.word;
	sizes.moffs = (int)sizeof(kulong) >> short_address;
	sizes.modrm16 = short_address && !LONG_MODE;
	if (*p == 0x0f) {
		length = two_byte_shape(p + 1, &sizes, &shape);
		length += length > 0;
	} else {
		length = one_byte_shape(p, &sizes, &shape);
	}
	if (length && prefixes + length <= INSN_MAX)
		shape.length = prefixes + length;
	return shape;
}

int cpu_insn_length(const uint8_t *code)
{
	return insn_shape(code).length;
}

/* Among the opcodes behind 0f, those that Unicorn takes for SSE. */
static bool is_sse(uint8_t op)
{
	return (op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) ||
	       (op >= 0x50 && op <= 0x7f && op != 0x77) || op == 0xc2 ||
	       (op >= 0xc4 && op <= 0xc6) || op >= 0xd0;
}

/*
 * In 64-bit mode it is VEX whatever follows.  Unicorn refuses those of 256 bits if
 * they are SSE's, and executes all others (c5 fc 05 is a system call to it).
 */
static bool is_vex_in_long_mode(const uint8_t *p)
{
	const uint8_t *last = *p == 0xc5 ? p + 1 : p + 2;
	int map = *p == 0xc5 ? 1 : p[1] & 0x1f;

	if ((*p & 0xfe) != 0xc4 || map < 1 || map > 3)
		return false;
	return !(*last & 4) || (map == 1 && !is_sse(last[1]));
}

bool is_vex(const uint8_t *p)
{
	int prefixes = 0;

	while (is_prefix(*p) && ++prefixes < INSN_MAX - 2)
		p++;
	if (LONG_MODE)
		return is_vex_in_long_mode(p);
	if (*p == 0xc5)
		return (p[1] & 0xc4) == 0xc0;
	return *p == 0xc4 && p[1] >= 0xc0 && (p[1] & 0x1f) - 1u < 3 &&
	       !(p[2] & 4);
}

bool is_locked_bit_test(const uint8_t *p, const uint8_t *end)
{
	bool locked = false;

	for (; p < end && is_prefix(*p); p++)
		locked |= *p == 0xf0;
	if (p == end)
		return locked;
	if (!locked || *p++ != 0x0f)
		return false;
	if (p == end)
		return true;
	if (*p != 0xba && (*p & 0xe7) != 0xa3)
		return false;
	return p + 1 == end || p[1] >= (*p == 0xba ? 0xe0 : 0xc0);
}

/* Where decoding goes on. */
static int step_from(const uint8_t *code, int at, struct lengths *lengths)
{
	int length;

	if (!lengths->at[at]) {
		length = insn_shape(code + at).length;
		lengths->at[at] = (uint8_t)(length ? length : 1);
	}
	return at + lengths->at[at];
}

bool begins_insn(const uint8_t *code, int at, struct lengths *lengths)
{
	enum { BEFORE = 48, TRIES = 16 };
	int i, where, met = 0;

	if (at < BEFORE)
		return true;
	for (i = 0; i < TRIES; i++) {
		for (where = at - BEFORE + i; where < at;)
			where = step_from(code, where, lengths);
		met += where == at;
	}
	return met >= TRIES / 3;
}
