/* rmap/python.h - what a scheme written in Python is asked; see
 * vmemu/rmap/python.py. */
#ifndef VMEMU_RMAP_PYTHON_H
#define VMEMU_RMAP_PYTHON_H

/* Bits of rmap_plugin.hooks, too: it hears only of what it has a hook for. */
enum rmap_call {
	RMAP_PREPARE, /* not a call: whether a vma may need a decision */
	RMAP_ADD,
	RMAP_ADD_BACK,
	RMAP_ADD_AGAIN,
	RMAP_CLASH,
	RMAP_OWN,
	RMAP_REMOVE,
	RMAP_PUT, /* address = mapping, other = pages */
	RMAP_MOVE,
	RMAP_PTE_COPY, /* vma = the parent's, mm = the child */
	RMAP_PTE_MOVE, /* address = from, other = to */
	RMAP_PTE_REMOVE,
	RMAP_VMA_DUP, /* other = kptr of the parent's vma; 0, or -1 */
	RMAP_VMA_FREE,
	RMAP_VMA_SPLIT, /* other = kptr of the other part */
	RMAP_RANGE_CHANGES,
	RMAP_RANGE_CHANGED,
	RMAP_RESERVE, /* address = gfp; 0, or -1 */
	RMAP_UNRESERVE,
	/* A walk, which has a number: nonzero.  Each call for what comes next
	 * says whether the last candidate had the page. */
	RMAP_WALK_REFERENCED,
	RMAP_WALK_UNMAP,
	RMAP_WALK_NEXT, /* address = number, other = found; enum next_answer */
	RMAP_WALK_END,  /* address = number: before its end */
	NR_RMAP_CALLS
};

enum next_answer {
	NEXT_NONE,
	NEXT_TRY,    /* m->candidate */
	NEXT_REJECT, /* its mm and vma; and on, by enum rmap_verdict */
};

#endif
RMAP_SCHEME(python)
