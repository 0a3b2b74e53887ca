/*
 * cpu/fpu.c - the running task's FPU and SSE state as an FXSAVE image.
 *
 * Signal frames carry it, and it is what survives of the engine's state when
 * an exception makes a fresh start necessary.
 */
#include "cpu/cpu.h"

#define NR_FPU_REGS (17 + NR_XMM)

/* What the engine's registers need: physical order, two tag bits, 64-bit ips */
struct fpu_regs {
	uint16_t fcw, fsw, ftw, fop, fcs, fds;
	uint64_t fip, fdp;
	uint32_t mxcsr;
	uint8_t fpr[8][16];
	uint8_t xmm[NR_XMM][16];
};

static void fpu_registers(struct fpu_regs *fpu, int *ids, void **values)
{
	const struct {
		int id;
		void *value;
	} single[] = {
		{ REG_FPCW, &fpu->fcw },    { REG_FPSW, &fpu->fsw },
		{ REG_FPTAG, &fpu->ftw },   { REG_FOP, &fpu->fop },
		{ REG_FCS, &fpu->fcs },     { REG_FDS, &fpu->fds },
		{ REG_FIP, &fpu->fip },     { REG_FDP, &fpu->fdp },
		{ REG_MXCSR, &fpu->mxcsr },
	};
	int i, n = 0;

	for (i = 0; i < 9; i++) {
		ids[n] = single[i].id;
		values[n++] = single[i].value;
	}
	for (i = 0; i < 8; i++) {
		ids[n] = REG_FP0 + i;
		values[n++] = fpu->fpr[i];
	}
	for (i = 0; i < NR_XMM; i++) {
		ids[n] = REG_XMM0 + i;
		values[n++] = fpu->xmm[i];
	}
}

static void fpu_read(struct vmemu *m, struct fpu_regs *fpu)
{
	int ids[NR_FPU_REGS];
	void *values[NR_FPU_REGS];

	memset(fpu, 0, sizeof(*fpu));
	fpu_registers(fpu, ids, values);
	m->cpu.state->uc.reg_read_batch(m->cpu.uc, ids, values, NR_FPU_REGS);
}

static void fpu_write(struct vmemu *m, struct fpu_regs *fpu)
{
	int ids[NR_FPU_REGS];
	void *values[NR_FPU_REGS];

	fpu_registers(fpu, ids, values);
	m->cpu.state->uc.reg_write_batch(m->cpu.uc, ids, values, NR_FPU_REGS);
}

/* fxsave64 has no room for the selector. */
static uint64_t with_selector(uint64_t address, uint16_t selector)
{
	if (BITS_PER_LONG == 64)
		return address;
	return (uint32_t)address | (uint64_t)selector << 32;
}

void cpu_fxsave(struct vmemu *m, void *image)
{
	struct cpu_fxsave *fx = image;
	struct fpu_regs fpu;
	int i, top;

	fpu_read(m, &fpu);
	memset(fx, 0, sizeof(*fx));
	fx->fcw = fpu.fcw;
	fx->fsw = fpu.fsw;
	fx->fop = fpu.fop;
	fx->fip = with_selector(fpu.fip, fpu.fcs);
	fx->fdp = with_selector(fpu.fdp, fpu.fds);
	fx->mxcsr = fpu.mxcsr;
	fx->mxcsr_mask = 0xffff;
	top = fpu.fsw >> 11 & 7;
	for (i = 0; i < 8; i++) {
		if ((fpu.ftw >> 2 * i & 3) != 3)
			fx->ftw |= (uint8_t)(1 << i);
		memcpy(fx->st[(i - top) & 7], fpu.fpr[i], 10);
	}
	memcpy(fx->xmm, fpu.xmm, sizeof(fpu.xmm));
}

void cpu_fxrstor(struct vmemu *m, const void *image)
{
	const struct cpu_fxsave *fx = image;
	struct fpu_regs fpu;
	int i, top;

	memset(&fpu, 0, sizeof(fpu));
	fpu.fcw = fx->fcw;
	fpu.fsw = fx->fsw;
	fpu.fop = fx->fop;
	fpu.fip = (kulong)fx->fip;
	fpu.fdp = (kulong)fx->fdp;
	if (BITS_PER_LONG == 32) {
		fpu.fcs = (uint16_t)(fx->fip >> 32);
		fpu.fds = (uint16_t)(fx->fdp >> 32);
	}
	fpu.mxcsr = fx->mxcsr & 0xffff;
	top = fx->fsw >> 11 & 7;
	for (i = 0; i < 8; i++) {
		if (!(fx->ftw >> i & 1))
			fpu.ftw |= (uint16_t)(3 << 2 * i);
		memcpy(fpu.fpr[i], fx->st[(i - top) & 7], 10);
	}
	memcpy(fpu.xmm, fx->xmm, sizeof(fpu.xmm));
	fpu_write(m, &fpu);
}
