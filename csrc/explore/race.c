/*
 * explore/race.c - which other orders of a run's steps are worth a run.
 *
 * Dynamic partial-order reduction after Flanagan and Godefroid (2005), with the
 * source sets of Abdulla, Aronis, Jonsson and Sagonas (2014) and Godefroid's
 * sleep sets.  Two steps depend on each other when one changes what the other
 * uses.  A dependent pair that nothing in between forces into its order is a
 * race; the run must be repeated from before its first step, beginning with a
 * path that can bring about the other order.
 *
 * A lock cannot be taken before it is given back, so what the taker of a lock
 * races with is the step by which its last holder took it.
 */
#include "explore/explore.h"
#include "watch/step.h"

static bool takes(const struct explore_step *s)
{
	return s->kind == STEP_lock || s->kind == STEP_trylock;
}

static bool same_lock(const struct explore_step *a,
		      const struct explore_step *b)
{
	return a->lock_class >= 0 && a->lock_class == b->lock_class &&
	       (a->object & ~(kptr)1) == (b->object & ~(kptr)1);
}

static void join(uint16_t *clock, const uint16_t *other)
{
	int i;

	for (i = 0; i < EXPLORE_PATHS; i++)
		if (clock[i] < other[i])
			clock[i] = other[i];
}

/*
 * Steps behind i that did not need it, and then j, could come first.  Which
 * paths can begin that?  One of them has to be explored at i.
 */
static void reverse(struct explorer *e, uint32_t i, uint32_t j)
{
	struct node *node = &e->node[i];
	uint32_t first[EXPLORE_PATHS], k;
	uint8_t begin = 0, seen = 0;
	int before = e->step[i].task, after = e->step[j].task, u;

	for (k = i + 1; k <= j; k++) {
		int t = e->step[k].task;

		if ((k < j && e->clock[k][before] > i) || seen >> t & 1)
			continue;
		for (u = 0; u < (int)e->nr_paths; u++)
			if (seen >> u & 1 && e->clock[k][u] > first[u])
				break;
		if (u == (int)e->nr_paths)
			begin |= (uint8_t)(1u << t);
		seen |= (uint8_t)(1u << t);
		first[t] = k;
	}
	if (begin & node->backtrack)
		return;
	begin &= node->enabled;
	if (!begin)
		node->backtrack |= node->enabled;
	else if (begin >> after & 1)
		node->backtrack |= (uint8_t)(1u << after);
	else
		node->backtrack |= begin & (uint8_t)-begin;
}

/* The clock of step j, and its races with what came before. */
static void analyse(struct explorer *e, uint32_t j)
{
	const struct explore_step *s = &e->step[j];
	uint16_t *clock = e->clock[j], released[EXPLORE_PATHS] = { 0 };
	uint16_t race[EXPLORE_STEPS];
	uint32_t nr_races = 0, i;
	uint8_t held = 0; /* the lock, by these, at that point of the past */

	memset(clock, 0, sizeof(e->clock[j]));
	for (i = j; i--;)
		if (e->step[i].task == s->task) {
			memcpy(clock, e->clock[i], sizeof(e->clock[j]));
			break;
		}
	for (i = j; i--;) {
		const struct explore_step *p = &e->step[i];
		uint8_t bit = (uint8_t)(1u << p->task);

		if (held & bit) {
			if (!takes(p) || !same_lock(p, s))
				continue;
			held &= (uint8_t)~bit;
		}
		if (clock[p->task] > i ||
		    !dependent(&e->footprint[i], &e->footprint[j]))
			continue;
		if (s->kind == STEP_lock && p->kind == STEP_unlock &&
		    same_lock(p, s)) {
			held |= bit;
			join(released, e->clock[i]);
			continue;
		}
		race[nr_races++] = (uint16_t)i;
		join(clock, e->clock[i]);
	}
	join(clock, released);
	clock[s->task] = (uint16_t)(j + 1);
	for (i = 0; i < nr_races; i++)
		reverse(e, race[i], j);
}

void explore_analyse(struct explorer *e, uint32_t from, uint32_t to)
{
	for (; from < to; from++)
		analyse(e, from);
}
