/* watch/api.h - what watch/ does, for Python and for others. */
#ifndef VMEMU_WATCH_API_H
#define VMEMU_WATCH_API_H
#include "structs.h"

/* watch/lock.c */
const char *vmemu_lock_name(const struct rmap_ops *, int lock_class);
void down_read(struct vmemu *, struct mm_struct *);
void up_read(struct vmemu *, struct mm_struct *);
void down_write(struct vmemu *, struct mm_struct *);
void up_write(struct vmemu *, struct mm_struct *);
void lock_page_table(struct vmemu *, struct mm_struct *);
void unlock_page_table(struct vmemu *, struct mm_struct *);
/* Any lock but mmap_sem, by the address of its word, for tests and the lab. */
void take_lock(struct vmemu *, int lock_class, kptr word);
int try_lock(struct vmemu *, int lock_class, kptr word);
void drop_lock(struct vmemu *, int lock_class, kptr word);
/* A write of vm_flags, by whatever rule m->locks.vm_flags_lock names. */
void vma_set_flags(struct vmemu *, struct vm_area_struct *, kulong flags);

/* watch/lockdep.c: what is checked under WATCH_LOCKS; see docs/locking.md */
/* Documented: may `inner` be waited for while `outer` is held? */
int lock_order_allows(int outer, int inner);
int lock_sleeps(int lock_class);   /* its holder may sleep */
void lockdep_nest(struct vmemu *); /* see struct held_locks */
void lockdep_path_ends(struct vmemu *, const char *path); /* holds nothing */

/* watch/owner.c */
/* "mm_struct.rss, ptes" and "page_table_lock"; NULL = there is no such field. */
const char *owned_field_name(const struct rmap_ops *, int field);
const char *owned_field_rule(const struct rmap_ops *, int field);
/* object: what enum owned_field says; the writer is a function's name. */
void assert_owner(struct vmemu *, int field, const void *object,
		  const char *writer);

#endif
