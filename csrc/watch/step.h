/* watch/step.h - points at which another path of the kernel might run. */
#ifndef VMEMU_WATCH_STEP_H
#define VMEMU_WATCH_STEP_H
#include "base/base.h"

void step_watched(struct vmemu *, enum step_kind, kptr object);

/* A point where another path of the kernel might run. */
static inline void step(struct vmemu *m, enum step_kind kind,
			const void *object)
{
	m->watch.steps++;
	if (unlikely(m->watch.bits & WATCH_EXPLORE))
		step_watched(m, kind, kaddr(m, object));
}

/* One pte of many: the loop tests once for the explorer and adds up the steps. */
static inline void step_of_many(struct vmemu *m, bool told, const pte_t *pte)
{
	if (unlikely(told))
		step_watched(m, STEP_write, kaddr(m, pte));
}

/*
 * An access to something shared that no lock guards, where another path might
 * run as well; of no interest to anybody but the explorer.
 */
static inline void shared(struct vmemu *m, enum step_kind kind,
			  const void *object)
{
	if (unlikely(m->watch.bits & WATCH_EXPLORE))
		step_watched(m, kind, kaddr(m, object));
}

/* For loops, which need not ask for each page whether to tell the explorer. */
static inline bool explored(const struct vmemu *m)
{
	return unlikely(m->watch.bits & WATCH_EXPLORE);
}

/* A shared access that is part of the step in progress. */
static inline void touch(struct vmemu *m, enum step_kind kind,
			 const void *object)
{
	if (unlikely(m->watch.bits & WATCH_EXPLORE))
		m->watch.watcher->touch(m, kind, kaddr(m, object));
}

#endif
