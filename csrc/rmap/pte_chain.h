/* rmap/pte_chain.h - what others see of pte_chain. */
#ifndef VMEMU_RMAP_PTE_CHAIN_H
#define VMEMU_RMAP_PTE_CHAIN_H

struct pte_chain {           /* as large as a cache line, and aligned to it */
	kulong next_and_idx; /* kptr of the next; low bits: first slot in use */
	kptr ptes[];         /* in use from there to the last one */
};

/* Places in m->rmap_option: of 128 bytes, 64, 32; nonzero = of files' pages, too. */
enum pte_chain_option { CHAIN_LINE, CHAIN_FILES };

enum pte_chain_cache { CACHE_pte_chain = CACHE_rmap };

uint32_t pte_chain_line(const struct vmemu *);  /* bytes */
uint32_t pte_chain_slots(const struct vmemu *); /* of one pte_chain: NRPTE */

#endif
RMAP_SCHEME(pte_chain)
