/* base/base.h - lists, trees and the way from guest pointers to host pointers. */
#ifndef VMEMU_BASE_BASE_H
#define VMEMU_BASE_BASE_H
#include "structs.h"

#include <string.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The one place where guest kernel pointers become host pointers. */
static inline void *host(struct vmemu *m, kptr k)
{
	return (void *)(m->kernel_base + k);
}

static inline kptr kaddr(struct vmemu *m, const void *p)
{
	return (kptr)((uintptr_t)p - m->kernel_base);
}

#define HOST(m, type, k) ((struct type *)host(m, k))
#define ENTRY(m, k, type, member)                                              \
	((struct type *)((uint8_t *)host(m, k) - offsetof(struct type, member)))

/*
 * Loops over many ptes are compiled twice: `watched` is false where nobody
 * watches, and then the caller counts the page_map_locks.
 */
#define ALWAYS_INLINE inline __attribute__((always_inline))

static inline void list_init(struct vmemu *m, struct list_head *head)
{
	head->next = head->prev = kaddr(m, head);
}

static inline bool list_empty(struct vmemu *m, const struct list_head *head)
{
	return head->next == kaddr(m, head);
}

static inline void list_insert(struct vmemu *m, struct list_head *node,
			       kptr prev, kptr next)
{
	kptr k = kaddr(m, node);

	node->prev = prev;
	node->next = next;
	HOST(m, list_head, prev)->next = k;
	HOST(m, list_head, next)->prev = k;
}

static inline void list_add(struct vmemu *m, struct list_head *node,
			    struct list_head *head)
{
	list_insert(m, node, kaddr(m, head), head->next);
}

static inline void list_add_tail(struct vmemu *m, struct list_head *node,
				 struct list_head *head)
{
	list_insert(m, node, head->prev, kaddr(m, head));
}

static inline void list_del(struct vmemu *m, struct list_head *node)
{
	HOST(m, list_head, node->prev)->next = node->next;
	HOST(m, list_head, node->next)->prev = node->prev;
	node->next = node->prev = 0;
}

/* The nodes from first to last, neighbours already, to before another node. */
static inline void list_move_run(struct vmemu *m, struct list_head *first,
				 struct list_head *last, struct list_head *next)
{
	HOST(m, list_head, first->prev)->next = last->next;
	HOST(m, list_head, last->next)->prev = first->prev;
	HOST(m, list_head, next->prev)->next = kaddr(m, first);
	first->prev = next->prev;
	next->prev = kaddr(m, last);
	last->next = kaddr(m, next);
}

/* arch/i386.c, arch/x86_64.c */
void address_space_boot(struct vmemu *, int levels);
void map_lowmem(struct vmemu *);

/* base/radix.c */
int radix_tree_insert(struct vmemu *, struct radix_tree_root *, kulong index,
		      void *item);
void *radix_tree_lookup(struct vmemu *, struct radix_tree_root *, kulong index);
void *radix_tree_delete(struct vmemu *, struct radix_tree_root *, kulong index);
/* The first item from *index on, with that tag, and where it is; NULL = none. */
void *radix_tree_next(struct vmemu *, struct radix_tree_root *, kulong *index,
		      enum radix_tree_tag);
/* Of an item that is there. */
void radix_tree_tag_set(struct vmemu *, struct radix_tree_root *, kulong index,
			enum radix_tree_tag);
void radix_tree_tag_clear(struct vmemu *, struct radix_tree_root *,
			  kulong index, enum radix_tree_tag);

/* base/rbtree.c: keyed by vm_start */
void vma_rb_insert(struct vmemu *, struct mm_struct *, struct vm_area_struct *);
void vma_rb_erase(struct vmemu *, struct mm_struct *, struct vm_area_struct *);

#endif
