/* rmap/python.h - what a scheme written in Python is asked; see
 * vmemu/rmap/python.py. */
#ifndef VMEMU_RMAP_PYTHON_H
#define VMEMU_RMAP_PYTHON_H

enum rmap_call {
	RMAP_ADD,
	RMAP_REMOVE,
	RMAP_MOVE,
	RMAP_CLASH,
	RMAP_CANDIDATES_REFERENCED, /* how many it put into m->candidates */
	RMAP_CANDIDATES_UNMAP,
	RMAP_VMA_DUP, /* address = kptr of the parent's vma; 0, or -1 */
	RMAP_VMA_FREE,
	RMAP_VMA_SPLIT, /* address = kptr of the other part */
};

enum python_cache { CACHE_python_rmap = CACHE_rmap };

#endif
RMAP_SCHEME(python)
