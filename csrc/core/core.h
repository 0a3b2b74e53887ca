/* core/core.h - time, counters, events, and what must not be. */
#ifndef VMEMU_CORE_CORE_H
#define VMEMU_CORE_CORE_H
#include "base/base.h"
#include "core/api.h"

static inline void count(struct vmemu *m, int id)
{
	m->counter[id]++;
}

/* The kernel works for so many virtual nanoseconds. */
static inline void spend(struct vmemu *m, uint64_t ns)
{
	m->clock.now += ns;
	m->clock.stime += ns;
}

/* A device works, and who asked waits: 2.6 counts that as nobody's CPU time. */
static inline void waits_for_io(struct vmemu *m)
{
	m->clock.now += PAGE_IO_NS;
	m->clock.iowait += PAGE_IO_NS;
}

/* The task that faults must not go on: a timer is due, or the event that
 * somebody waits for has come. */
static inline bool must_stop(const struct vmemu *m)
{
	return m->clock.now >= m->clock.next_timer || m->trace.stopped.type;
}

void take_sample(struct vmemu *);

void write_event(struct vmemu *, int type, uint64_t a, uint64_t b, uint64_t c,
		 uint64_t d);

static inline void event_of_four(struct vmemu *m, int type, uint64_t a,
				 uint64_t b, uint64_t c, uint64_t d)
{
	m->trace.happened[type]++;
	if (unlikely(m->trace.told >> type & 1))
		write_event(m, type, a, b, c, d);
}

static inline void event(struct vmemu *m, int type, uint64_t a, uint64_t b,
			 uint64_t c)
{
	event_of_four(m, type, a, b, c, 0);
}

/* Records the first inconsistency; Python raises it at the next boundary. */
void vmemu_bug(struct vmemu *, const char *file, int line, const char *format,
	       ...) __attribute__((cold, format(printf, 4, 5)));
#define BUG(m, ...) vmemu_bug(m, __FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(m, condition)                                                   \
	(unlikely(condition) ? (BUG(m, "%s", #condition), 1) : 0)

#endif
