/* core/sample.c - how memory stood in the course of a run. */
#include "core/core.h"
#include "swap/swap.h"

void vmemu_read_sample(struct vmemu *m, struct sample *sample)
{
	const uint64_t *counter = m->counter;

	*sample = (struct sample){
		.time = m->clock.now,
		.free = m->k->zone.free_pages,
		.active = m->k->zone.nr_active,
		.inactive = m->k->zone.nr_inactive,
		.swapped = swap_used(m),
		.faults = counter[CNT_pgfault],
		.major = counter[CNT_pgmajfault],
		.si = counter[CNT_pswpin],
		.so = counter[CNT_pswpout],
	};
}

void vmemu_sample(struct vmemu *m, struct sample *samples, uint32_t room,
		  uint64_t step)
{
	m->trace.sampling = (struct sampling){
		.samples = samples,
		.room = room,
		.step = step,
	};
	vmemu_stop_at(m, m->trace.stop_at);
	if (samples)
		take_sample(m);
}

/* The first time after this one at which a sample is due. */
static uint64_t next_due(const struct sampling *s, uint64_t time)
{
	return (time / s->step + 1) * s->step;
}

/* Double the time between samples until half of them are enough.  Where they
 * are far apart already, none goes. */
static void thin_out(struct sampling *s)
{
	uint32_t i, kept;

	do {
		s->step *= 2;
		for (i = kept = 1; i < s->used; i++)
			if (s->samples[i].time >=
			    next_due(s, s->samples[kept - 1].time))
				s->samples[kept++] = s->samples[i];
		s->used = kept;
	} while (kept > s->room / 2);
}

void take_sample(struct vmemu *m)
{
	struct sampling *s = &m->trace.sampling;

	if (s->used == s->room)
		thin_out(s);
	vmemu_read_sample(m, &s->samples[s->used++]);
	s->due = next_due(s, m->clock.now);
}
