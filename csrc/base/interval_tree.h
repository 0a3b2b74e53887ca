/* base/interval_tree.h - areas by the offsets that they have, since 3.7. */
#ifndef VMEMU_BASE_INTERVAL_TREE_H
#define VMEMU_BASE_INTERVAL_TREE_H
#include "base/base.h"

/* Of objects with a struct interval_node, named by their kptrs; 0: none. */
struct interval_tree {
	kptr *root;
	kptr node; /* where in an object it is: bytes */
	/* The area that an object stands for. */
	const struct vm_area_struct *(*area)(struct vmemu *, kptr object);
	int counter; /* counts nodes that a search looks at: enum counter_id */
};

/* Of those that begin together the newest comes last. */
void interval_tree_insert(struct vmemu *, const struct interval_tree *, kptr);
void interval_tree_erase(struct vmemu *, const struct interval_tree *, kptr);
/* The first, and the next, whose area has some of these offsets. */
kptr interval_tree_first(struct vmemu *, const struct interval_tree *,
			 kulong first, kulong last);
kptr interval_tree_next(struct vmemu *, const struct interval_tree *, kptr,
			kulong first, kulong last);

#endif
