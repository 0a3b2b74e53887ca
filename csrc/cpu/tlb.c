/*
 * cpu/tlb.c - the MMU: answers Unicorn's TLB misses from the guest's page
 * tables, has faults resolved, and keeps cached code true.
 *
 * Each fill replaces the whole entry.  Rights are given so that the hook sees
 * what the hardware would note: no WRITE before the dirty bit is set, no EXEC
 * before the frame is marked executed.  Once it is, its entries never have
 * WRITE without EXEC, which is what makes Unicorn watch the stores to it and
 * drop the blocks they hit.
 */
#include "core/core.h"
#include "cpu/cpu.h"
#include "mm/mm.h"
#include "page/page.h"

static bool grant(struct uc_tlb_entry *entry, uint64_t paddr, uint32_t perms)
{
	entry->paddr = paddr;
	entry->perms = perms;
	return true;
}

/* Is the instruction that is being executed in this page, or reaches into it? */
static bool executes_here(struct vmemu *m, kulong page_address)
{
	kulong ip = cpu_note_ip(m);

	return ((ip & PAGE_MASK) == page_address) ||
	       ((ip + 14) & PAGE_MASK) == page_address;
}

/* Does the present pte answer this access? */
static bool fill(struct vmemu *m, pte_t *pte, kulong page_address,
		 uint32_t access, struct uc_tlb_entry *entry)
{
	struct page *page = m->mem_map + pte_pfn(*pte);
	uint32_t perms = UC_PROT_READ;

	switch (access) {
	case ACCESS_WRITE:
		if (!(*pte & _PAGE_RW))
			return false;
		*pte |= _PAGE_ACCESSED | _PAGE_WRITTEN;
		perms |= UC_PROT_WRITE;
		if (unlikely(page_executed(page))) {
			if (!executes_here(m, page_address)) {
				m->cpu.state->rewritten = page;
				break;
			}
			perms |= UC_PROT_EXEC;
			if (!cpu_code_may_change(m, page_address, page))
				m->cpu.state->exits_full = true;
		}
		break;
	case ACCESS_FETCH:
		*pte |= _PAGE_ACCESSED;
		perms |= UC_PROT_EXEC;
		if (!cpu_look_at_code(m, page_address, page))
			m->cpu.state->exits_full = true;
		if (!page_executed(page)) {
			page->flags |= PG_arch_1;
			/* Another entry may let stores through unwatched. */
			if (page->mapcount > 1)
				m->tlb.stale = 1;
		}
		break;
	default:
		*pte |= _PAGE_ACCESSED;
		if ((*pte & (_PAGE_RW | _PAGE_DIRTY)) ==
			    (_PAGE_RW | _PAGE_DIRTY) &&
		    !page_executed(page))
			perms |= UC_PROT_WRITE;
	}
	return grant(entry, *pte & PAGE_MASK, perms);
}

const uint8_t *cpu_user_bytes(struct vmemu *m, kulong address)
{
	pte_t *pte;

	if (address >= TASK_SIZE(m))
		return NULL;
	pte = pte_lookup(m, m->current_mm, address);
	if (!pte || !(*pte & _PAGE_PRESENT))
		return NULL;
	return m->ram + (*pte & PAGE_MASK) + (address & ~PAGE_MASK);
}

int cpu_user_byte(struct vmemu *m, kulong address)
{
	const uint8_t *byte = cpu_user_bytes(m, address);

	return byte ? *byte : -1;
}

/*
 * The hook is told the page; registers and instruction say the rest, which
 * takes longer than it takes the core to resolve a decided fault.  How that is
 * done does not depend on it for a store, nor for what can only be a read, so
 * there it waits until somebody wants to know.
 */
void cpu_exact_fault(struct vmemu *m)
{
	if (!m->fault.inexact)
		return;
	m->fault.inexact = 0;
	cpu_note_regs(m);
	m->fault.address =
		cpu_fault_address(m, m->fault.address, &m->fault.access);
}

static bool may_stay_inexact(struct vmemu *m, uint32_t access)
{
	const uint32_t with_address =
		1u << EV_fault | 1u << EV_zero | 1u << EV_cow | 1u << EV_swapin;

	if (m->trace.size || m->trace.stop_at & with_address)
		return false;
	return access == ACCESS_WRITE ||
	       (access == ACCESS_READ && cpu_only_reads(m));
}

/* Kernel addresses: only what the CPU itself needs is there. */
static bool fill_kernel(struct vmemu *m, kulong address, uint32_t access,
			struct uc_tlb_entry *entry)
{
	uint64_t paddr = (address - CPU_WINDOW) & PAGE_MASK;

	switch (m->cpu.state->phase) {
	case CPU_DROP:
		return paddr < m->ram_size && access == ACCESS_FETCH &&
		       grant(entry, paddr, UC_PROT_EXEC);
	case CPU_BOOT:
		return paddr == GDT_PFN * PAGE_SIZE &&
		       grant(entry, paddr, UC_PROT_ALL);
	case CPU_GUEST:
		cpu_note_regs(m);
		if (access != ACCESS_READ || !cpu_reads_descriptor(m, address))
			return false;
		/* fallthrough */
	case CPU_IDLE:
		return paddr == GDT_PFN * PAGE_SIZE &&
		       grant(entry, paddr, UC_PROT_READ);
	}
	return false;
}

/* Stops the engine at the instruction, with result for cpu_run(). */
static bool refuse(struct vmemu *m, uint32_t result, bool fetches)
{
	cpu_exact_fault(m);
	m->fault.result = result;
	m->cpu.state->trap = TRAP_FAULT;
	if (!fetches) /* else code may be translated yet before it stops */
		cpu_exits_off(m);
	return false;
}

/* Bits 47 to 63 must be alike. */
static bool canonical(kulong address)
{
	return (uint64_t)address + (1ull << 47) < 1ull << 48;
}

/* An address that cannot be is no page fault, and has no cr2. */
static bool refuse_address(struct vmemu *m, kulong page, uint32_t access)
{
	enum { STACK_FAULT = 12, GENERAL_PROTECTION };

	cpu_note_regs(m);
	m->cpu.trap_vector =
		access != ACCESS_FETCH && cpu_touches_stack(m, page, access) ?
			STACK_FAULT :
			GENERAL_PROTECTION;
	m->cpu.state->trap = TRAP_EXCEPTION;
	return false;
}

static void empty_tlb(struct vmemu *m, uint32_t grow_at)
{
	m->cpu.state->uc.ctl(m->cpu.uc, CTL_TLB_FLUSH);
	m->cpu.state->tlb_misses = 0;
	m->cpu.state->tlb_grow_at = grow_at;
}

/*
 * Unicorn's TLB has 256 entries at first and changes its size only when it is
 * flushed: it doubles when most of it was in use, and shrinks, by the host's
 * clock, to what was used lately.  A program that needs no flush would be left
 * with what the one before it used.  So many misses are answered by a flush;
 * the entry now asked for is set behind it.  It takes the time of a thousand
 * misses, for Unicorn's new tables are not in any cache: hence the patience,
 * and each time more of it, or a large TLB would be emptied before it is full.
 */
static void grow_tlb(struct vmemu *m)
{
	uint32_t at = m->cpu.state->tlb_grow_at;

	empty_tlb(m, at < TLB_PATIENCE_MAX ? 2 * at : at);
	count(m, CNT_tlb_grow);
}

bool cpu_tlb_fill(void *uc, uint64_t vaddr, int type,
		  struct uc_tlb_entry *entry, void *user)
{
	struct vmemu *m = user;
	kulong page = (kulong)vaddr; /* never more exact than that */
	uint32_t access = (uint32_t)(type - UC_MEM_READ);
	const bool fetches = access == ACCESS_FETCH;
	uint32_t result;
	pte_t *pte;
	int tries;

	(void)uc;
	count(m, CNT_tlb_fill);
	/* What is looked up after a trap is not the program's. */
	if (unlikely(m->cpu.state->trap != TRAP_NONE) &&
	    m->cpu.state->phase == CPU_GUEST)
		return false;
	if (unlikely(page >= TASK_SIZE(m))) {
		if (fill_kernel(m, page, access, entry))
			return true;
		if (!canonical(page))
			return refuse_address(m, page, access);
		m->fault.address = page;
		m->fault.access = access;
		m->fault.inexact = 1;
		return refuse(m, FAULT_MAPERR, fetches);
	}
	if (unlikely(m->cpu.state->phase != CPU_GUEST))
		return false;
	for (tries = 0;; tries++) {
		pte = pte_lookup(m, m->current_mm, page);
		if (likely(pte && *pte & _PAGE_PRESENT) &&
		    likely(fill(m, pte, page, access, entry)))
			break;
		if (access == ACCESS_FETCH && cpu_exit_absent(m, page))
			return false;
		m->fault.address = page;
		m->fault.access = access;
		m->fault.inexact = 1;
		if (!may_stay_inexact(m, access))
			cpu_exact_fault(m);
		if (BUG_ON(m, tries == 8))
			return refuse(m, FAULT_OOM, fetches);
		m->fault.in_hook = 1;
		result =
			(uint32_t)page_fault(m, m->current_mm, m->fault.address,
					     (int)m->fault.access);
		m->fault.in_hook = 0;
		access = m->fault.access;
		if (result > FAULT_MAJOR)
			return refuse(m, result, fetches);
		m->fault.inexact = 0;
		count(m, CNT_fault_hook);
	}
	/* The instruction waits until the TLB is flushed, the engine knows where
	 * to stop, kswapd has run, or who waits for the time or an event. */
	if (unlikely(m->tlb.stale || m->cpu.state->exits_full ||
		     m->cpu.state->exits_untold || m->cpu.state->rewritten ||
		     (tries && (m->pages.want_kswapd || must_stop(m)))))
		return refuse(m, FAULT_MINOR, fetches);
	if (unlikely(++m->cpu.state->tlb_misses >= m->cpu.state->tlb_grow_at))
		grow_tlb(m);
	return true;
}

void cpu_flush_tlb(struct vmemu *m)
{
	m->tlb.stale = 0;
	empty_tlb(m, m->tlb.patience);
	count(m, CNT_tlb_flush);
}

/* ---- cached blocks -------------------------------------------------------- */

/*
 * Unicorn knows blocks by virtual address, so the frame is shown to it in the
 * kernel window for that moment; a physical address would silently do nothing.
 */
void cpu_remove_blocks(struct vmemu *m, const struct page *page)
{
	uint64_t window =
		CPU_WINDOW + ((uint64_t)pfn_of(m, page) << PAGE_SHIFT);

	m->cpu.state->phase = CPU_DROP;
	m->cpu.state->uc.ctl(m->cpu.uc, CTL_REMOVE_CACHE, window,
			     window + PAGE_SIZE);
	m->cpu.state->phase = CPU_IDLE;
	m->tlb.stale = 1; /* the window's entries must not stay */
	count(m, CNT_code_drop);
}
