/*
 * rmap/stop.h - when a walk has found enough, if a page's mapcount may not say it.
 *
 * Kernels are about to give up an exact mapcount for large folios.  What is left
 * then is a bit that says that a page is one process' alone, or the names of two
 * processes that map it and whether there were ever others, or nothing.  Here the
 * walk of any scheme can be made to stop by one of these, while mapcount is still
 * kept: so it can be told what they cost and where they are wrong.
 */
#ifndef VMEMU_RMAP_STOP_H
#define VMEMU_RMAP_STOP_H
#include "core/core.h"

static inline enum stop_rule stop_rule(const struct vmemu *m)
{
	return (enum stop_rule)m->rmap_option[OPTION_stop];
}

/* Whether something is kept for each page; if not, none of the next is called. */
static inline bool stop_kept(const struct vmemu *m)
{
	return unlikely(m->rmap_option[OPTION_stop]);
}

/* A page gets a pte in mm; by fork; it loses one; a write found it to be mm's
 * alone.  page_map_lock is held. */
void stop_added(struct vmemu *, struct page *, const struct mm_struct *,
		enum add_how);
void stop_forked(struct vmemu *, struct page *, const struct mm_struct *child);
void stop_removed(struct vmemu *, struct page *, const struct mm_struct *);
void stop_owned(struct vmemu *, struct page *, const struct mm_struct *);

#endif
