/* explore/explore.h - what the files of the explorer share. */
#ifndef VMEMU_EXPLORE_H
#define VMEMU_EXPLORE_H
#include "explore/api.h"
#include "watch/step.h"

/* Objects by number; those beyond the last share numbers, which only makes
 * more steps depend on each other. */
#define EXPLORE_OBJECTS 128
typedef unsigned __int128 objects_t;

/* What one step did to shared objects; added is what commutes. */
struct footprint {
	objects_t read, written, added;
};

struct path {
	bool started, finished;
	/* What it does when it goes on. */
	enum step_kind kind;
	int lock_class;
	kptr object;
	/* Of struct vmemu, but the path's own. */
	uint32_t memalloc, in_hook;
	struct held_locks held;
};

/* One place in the tree of schedules; sets are of paths, as bits. */
struct node {
	uint8_t chosen;
	uint8_t enabled;
	uint8_t backtrack; /* to be explored from here */
	uint8_t done;      /* explored */
	uint8_t sleep;     /* would repeat what was explored elsewhere */
	uint8_t preemptions;
	struct footprint asleep[EXPLORE_PATHS]; /* of done and sleep */
};

struct saved_slot {
	int fd;
	int64_t at; /* bytes */
	uint8_t *contents;
	uint32_t n; /* bytes */
};

struct explorer {
	struct explore_options options;
	uint32_t nr_paths;
	int current; /* path, -1 = none */
	int outcome; /* enum explore_outcome */
	struct path path[EXPLORE_PATHS];

	uint32_t n;      /* steps made */
	uint32_t prefix; /* steps prescribed */
	uint32_t cut;    /* from here on the run repeats another; or ~0 */
	struct explore_step step[EXPLORE_STEPS];
	struct footprint footprint[EXPLORE_STEPS];
	struct node node[EXPLORE_STEPS];
	/* 1 + the last step of each path that came before, by necessity. */
	uint16_t clock[EXPLORE_STEPS][EXPLORE_PATHS];

	uint64_t key[EXPLORE_OBJECTS]; /* 0 = free */
	uint64_t random;
	uint32_t patience; /* mean number of steps between random switches */

	/* The snapshot. */
	uint8_t *ram;
	struct vmemu saved;
	struct inode *inodes;
	struct saved_slot *slot;
	uint32_t nr_slots;
};

static inline bool dependent(const struct footprint *a,
			     const struct footprint *b)
{
	return ((a->written & (b->read | b->written | b->added)) |
		(a->read & (b->written | b->added)) |
		(a->added & (b->read | b->written))) != 0;
}

/* explore/snapshot.c */
void explore_restore(struct vmemu *);

/* explore/race.c */
void explore_analyse(struct explorer *, uint32_t from, uint32_t to);

#endif
