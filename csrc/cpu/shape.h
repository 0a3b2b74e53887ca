/* cpu/shape.h - instructions as the translator meets them: prefixes, length, cost. */
#ifndef VMEMU_CPU_SHAPE_H
#define VMEMU_CPU_SHAPE_H
#include "cpu/cpu.h"

enum { INSN_MAX = 15 }; /* bytes */

struct shape {
	int length; /* bytes; 0 = not known */
	int takes;  /* temporaries not given back */
	bool ends;  /* ends its block */
};

static inline bool is_prefix(uint8_t byte)
{
	if (is_rex(byte))
		return true;
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66:
	case 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	}
	return false;
}

/* p has CPU_INSN_BYTES at least, whatever they are. */
struct shape insn_shape(const uint8_t *p);
/*
 * Is the instruction, behind its prefixes, coded with VEX, in a way that Unicorn
 * does not refuse itself?  Else it is les or lds, which have an operand in
 * memory, or of 256 bits.
 */
bool is_vex(const uint8_t *p);
/*
 * Is it bt, bts, btr or btc of a register, with `lock`?  What comes from `end` on
 * is not known, and may be the rest of one.
 */
bool is_locked_bit_test(const uint8_t *p, const uint8_t *end);
struct lengths { /* of instructions that may begin in a page; 0: not asked for yet */
	uint8_t at[PAGE_SIZE];
};

/*
 * Does an instruction begin here, as far as those before it tell?  Decoded from
 * anywhere, code falls into step soon; what stands within an instruction is met
 * from few places.
 */
bool begins_insn(const uint8_t *code, int at, struct lengths *lengths);

#endif
