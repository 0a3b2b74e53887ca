/*
 * explore/explore.c - runs several kernel paths in every order that matters.
 *
 * A path is a greenlet of vmemu/explore.  It stops before each step (a lock
 * operation, an access to something shared, an allocation), and here it is
 * chosen who makes the next one; only when that is another path does Python
 * hear of it.  Each run starts from a snapshot and follows a prescribed prefix
 * of choices; explore_advance() prescribes the next run's, depth first.
 *
 * A step lasts until the path's next one.  touch() adds to the footprint of the
 * step in progress what is accessed without a step of its own.
 *
 * Frames, slab objects and swap slots that two paths allocate differ only in
 * number by who was first, so allocations do not depend on each other.  That
 * holds while there is plenty; the caller checks that nothing was reclaimed.
 */
#include "explore/explore.h"
#include "core/core.h"
#include "watch/step.h"

/*
 * Nothing else happens while one of these is held, and nobody only tries it: in
 * a reduced run the section is one step, known by what it touches.
 */
static bool is_leaf(const struct explorer *e, int class)
{
	return e->options.mode == EXPLORE_REDUCED &&
	       (class == LOCK_swap || class == LOCK_lru);
}

/* ---- footprints -------------------------------------------------------------- */

static objects_t object_bit(struct explorer *e, int class, kptr object)
{
	uint64_t key = (uint64_t)(class + 2) << 32 | object;
	uint32_t i = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 57), tried;

	for (tried = 0; tried < EXPLORE_OBJECTS; tried++) {
		uint32_t at = (i + tried) % EXPLORE_OBJECTS;

		if (!e->key[at])
			e->key[at] = key;
		if (e->key[at] == key)
			return (objects_t)1 << at;
	}
	return (objects_t)1 << i;
}

static void add_access(struct explorer *e, struct footprint *f, int kind,
		       int class, kptr object)
{
	objects_t bit;

	if (kind == STEP_alloc || kind == STEP_start)
		return;
	bit = object_bit(e, class,
			 class == LOCK_mmap_sem ? object & ~(kptr)1 : object);
	if (kind == STEP_read)
		f->read |= bit;
	else if (kind == STEP_add || (class == LOCK_mmap_sem && object & 1))
		f->added |= bit; /* readers do not mind each other */
	else
		f->written |= bit;
}

static void explore_touch(struct vmemu *m, enum step_kind kind, kptr object)
{
	struct explorer *e = m->watch.explorer;

	if (e->n)
		add_access(e, &e->footprint[e->n - 1], kind, -1, object);
}

/* ---- who is next --------------------------------------------------------------- */

static bool blocked(struct vmemu *m, const struct path *p)
{
	uint32_t word;

	if (p->kind != STEP_lock)
		return false;
	word = *(uint32_t *)host(m, p->object & ~(kptr)1);
	switch (p->lock_class) {
	case LOCK_mmap_sem:
		return p->object & 1 ? (int32_t)word < 0 : word != 0;
	case LOCK_page:
		return word & PG_locked;
	case LOCK_page_map:
		return word & PG_maplock;
	default:
		return word & 1;
	}
}

static uint8_t enabled_paths(struct vmemu *m)
{
	struct explorer *e = m->watch.explorer;
	uint8_t set = 0;
	uint32_t i;

	for (i = 0; i < e->nr_paths; i++)
		if (!e->path[i].finished && !blocked(m, &e->path[i]))
			set |= (uint8_t)(1u << i);
	return set;
}

static uint64_t next_random(struct explorer *e)
{
	uint64_t z = e->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int lowest(uint8_t set)
{
	return __builtin_ctz(set);
}

/* The path that just ran if it may go on, else the first. */
static int keep_or_first(const struct explorer *e, uint8_t set)
{
	int last = e->n ? e->step[e->n - 1].task : -1;

	return last >= 0 && set >> last & 1 ? last : lowest(set);
}

static int random_path(struct explorer *e, uint8_t set)
{
	uint32_t left;

	if (e->n && next_random(e) % e->patience)
		return keep_or_first(e, set);
	left = (uint32_t)(next_random(e) % (uint32_t)__builtin_popcount(set));
	while (left--)
		set &= (uint8_t)(set - 1);
	return lowest(set);
}

/* What stays asleep behind the step just made: what did not depend on it. */
static void inherit_sleep(struct explorer *e, struct node *node)
{
	const struct node *parent;
	uint8_t set;
	int q;

	if (!e->n)
		return;
	parent = &e->node[e->n - 1];
	for (set = (parent->sleep | parent->done) & ~(1u << parent->chosen);
	     set; set &= (uint8_t)(set - 1)) {
		q = lowest(set);
		if (dependent(&parent->asleep[q], &e->footprint[e->n - 1]))
			continue;
		node->sleep |= (uint8_t)(1u << q);
		node->asleep[q] = parent->asleep[q];
	}
}

static int new_node(struct explorer *e, uint8_t enabled)
{
	struct node *node = &e->node[e->n];
	int last = e->n ? e->step[e->n - 1].task : -1;
	uint8_t awake;

	node->enabled = enabled;
	node->done = node->sleep = 0;
	if (e->options.mode == EXPLORE_REDUCED)
		inherit_sleep(e, node);
	awake = enabled & (uint8_t)~node->sleep;
	if (!awake) {
		e->cut = e->n;
		return keep_or_first(e, enabled);
	}
	node->chosen = (uint8_t)keep_or_first(e, awake);
	node->backtrack = (uint8_t)(1u << node->chosen);
	node->preemptions =
		(uint8_t)((e->n ? e->node[e->n - 1].preemptions : 0) +
			  (last >= 0 && last != node->chosen &&
			   enabled >> last & 1));
	return node->chosen;
}

static int choose(struct explorer *e, uint8_t enabled)
{
	if (e->options.mode == EXPLORE_RANDOM)
		return random_path(e, enabled);
	if (e->n < e->prefix) {
		int chosen = e->node[e->n].chosen;

		e->node[e->n].enabled = enabled;
		if (enabled >> chosen & 1)
			return chosen;
		e->outcome = EXPLORE_DIVERGED;
		return -1;
	}
	if (e->n < e->cut)
		return new_node(e, enabled);
	return keep_or_first(e, enabled);
}

/* ---- the steps ------------------------------------------------------------------ */

static void record(struct vmemu *m, struct explorer *e, int which)
{
	struct path *p = &e->path[which];
	struct explore_step *s = &e->step[e->n];
	struct footprint *f = &e->footprint[e->n];

	s->task = (uint8_t)which;
	s->kind = (uint8_t)p->kind;
	s->lock_class = (int8_t)p->lock_class;
	s->object = p->object;
	s->before = p->object ? *(uint32_t *)host(m, p->object & ~(kptr)3) : 0;
	memset(f, 0, sizeof(*f));
	if (p->lock_class < 0 || !is_leaf(e, p->lock_class))
		add_access(e, f, p->kind, p->lock_class, p->object);
	e->n++;
}

static void note_result(struct vmemu *m, struct explorer *e)
{
	struct explore_step *s;

	if (!e->n)
		return;
	s = &e->step[e->n - 1];
	s->after = s->object ? *(uint32_t *)host(m, s->object & ~(kptr)3) : 0;
}

/* Chooses who makes the next step: a path, or -1 with the run's outcome. */
int explore_choose(struct vmemu *m)
{
	struct explorer *e = m->watch.explorer;
	uint8_t enabled = enabled_paths(m);
	uint32_t i;
	int next;

	note_result(m, e);
	e->current = -1;
	if (!enabled) {
		e->outcome = EXPLORE_ENDED;
		for (i = 0; i < e->nr_paths; i++)
			if (!e->path[i].finished)
				e->outcome = EXPLORE_DEADLOCK;
		return -1;
	}
	if (e->n == EXPLORE_STEPS) {
		e->outcome = EXPLORE_ENDLESS;
		return -1;
	}
	next = choose(e, enabled);
	e->current = next;
	m->locks.held = next < 0 ? &m->locks.path : &e->path[next].held;
	if (next >= 0 && !e->path[next].started) {
		e->path[next].started = true;
		record(m, e, next);
		m->pages.memalloc = m->fault.in_hook = 0;
	}
	return next;
}

/* The current path stops before a step, and returns when it may make it. */
void explore_step(struct vmemu *m, enum step_kind kind, int lock_class,
		  kptr object)
{
	struct explorer *e = m->watch.explorer;
	int self = e->current;
	struct path *p = &e->path[self];

	if (kind == STEP_unlock && is_leaf(e, lock_class))
		return;
	p->kind = kind;
	p->lock_class = lock_class;
	p->object = object;
	p->memalloc = m->pages.memalloc;
	p->in_hook = m->fault.in_hook;
	if (explore_choose(m) != self) {
		py_switch_entry(m, e->current);
		m->pages.memalloc = p->memalloc;
		m->fault.in_hook = p->in_hook;
	}
	record(m, e, self);
}

/* The current path has come to its end. */
void explore_exit(struct vmemu *m)
{
	m->watch.explorer->path[m->watch.explorer->current].finished = true;
}

static const struct watcher watcher = {
	.step = explore_step,
	.touch = explore_touch,
};

/* ---- runs ------------------------------------------------------------------------ */

/* Back to the snapshot, before the first step. */
void explore_start(struct vmemu *m)
{
	struct explorer *e = m->watch.explorer;

	explore_restore(m);
	memset(e->path, 0, sizeof(e->path));
	for (uint32_t i = 0; i < e->nr_paths; i++) {
		e->path[i].kind = STEP_start;
		e->path[i].lock_class = -1;
	}
	e->n = 0;
	e->cut = ~0u;
	e->current = -1;
	e->patience = 2u << next_random(e) % 5;
	m->watch.watcher = &watcher;
	m->watch.bits |= WATCH_EXPLORE;
}

void explore_stop(struct vmemu *m)
{
	m->watch.bits &= ~(uint32_t)WATCH_EXPLORE;
}

/* Prescribes whole runs instead: the path of each step. */
void explore_prescribe(struct vmemu *m, const uint8_t *paths, uint32_t n)
{
	struct explorer *e = m->watch.explorer;
	uint32_t i;

	e->prefix = n < EXPLORE_STEPS ? n : EXPLORE_STEPS;
	for (i = 0; i < e->prefix; i++)
		e->node[i].chosen = paths[i];
}

/* Paths whose turn at step d has not been tried and is affordable. */
static uint8_t untried(const struct explorer *e, uint32_t d)
{
	const struct node *node = &e->node[d];
	uint8_t left = node->enabled & (uint8_t)~node->done;
	int last = d ? e->step[d - 1].task : -1;
	uint32_t spent = d ? e->node[d - 1].preemptions : 0;

	if (e->options.mode == EXPLORE_REDUCED)
		return node->backtrack & left & (uint8_t)~node->sleep;
	if (last >= 0 && node->enabled >> last & 1 &&
	    spent >= e->options.preemptions)
		left &= (uint8_t)(1u << last);
	return left;
}

/* Prescribes the next run; 0 = every one that matters has been made. */
int explore_advance(struct vmemu *m)
{
	struct explorer *e = m->watch.explorer;
	uint32_t d = e->n < e->cut ? e->n : e->cut;

	if (e->options.mode == EXPLORE_REDUCED)
		explore_analyse(e, e->prefix ? e->prefix - 1 : 0, d);
	while (d--) {
		struct node *node = &e->node[d];
		int last = d ? e->step[d - 1].task : -1;
		uint8_t left;

		node->done |= (uint8_t)(1u << node->chosen);
		node->asleep[node->chosen] = e->footprint[d];
		left = untried(e, d);
		if (!left)
			continue;
		node->chosen = (uint8_t)lowest(left);
		node->preemptions =
			(uint8_t)((d ? e->node[d - 1].preemptions : 0) +
				  (last >= 0 && last != node->chosen &&
				   node->enabled >> last & 1));
		e->prefix = d + 1;
		return 1;
	}
	return 0;
}

int explore_outcome(struct vmemu *m)
{
	return m->watch.explorer->outcome;
}

int explore_redundant(struct vmemu *m)
{
	return m->watch.explorer->cut != ~0u;
}

const struct explore_step *explore_steps(struct vmemu *m, uint32_t *n)
{
	*n = m->watch.explorer->n;
	return m->watch.explorer->step;
}

/* The step that path waits to make. */
struct explore_step explore_pending(struct vmemu *m, int which)
{
	const struct path *p = &m->watch.explorer->path[which];
	struct explore_step s = { .task = (uint8_t)which,
				  .kind = (uint8_t)p->kind,
				  .lock_class = (int8_t)p->lock_class,
				  .object = p->finished ? 0 : p->object };

	return s;
}
