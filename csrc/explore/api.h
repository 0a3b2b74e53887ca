/* explore/api.h - runs of several paths in every order that matters. */
#ifndef VMEMU_EXPLORE_API_H
#define VMEMU_EXPLORE_API_H

enum explore_limits { EXPLORE_PATHS = 8, EXPLORE_STEPS = 4096 };

enum explore_mode {
	EXPLORE_REDUCED, /* one order of each set of equivalent ones */
	EXPLORE_ALL,     /* every order, with so many preemptions at most */
	EXPLORE_RANDOM,
};

struct explore_options {
	uint32_t mode;        /* enum explore_mode */
	uint32_t preemptions; /* of EXPLORE_ALL */
	uint64_t seed;        /* of EXPLORE_RANDOM */
};

enum explore_outcome {
	EXPLORE_ENDED,
	EXPLORE_DEADLOCK,
	EXPLORE_ENDLESS,  /* EXPLORE_STEPS were not enough */
	EXPLORE_DIVERGED, /* a prescribed choice was not possible */
};

struct explore_step {
	uint8_t task, kind;     /* enum step_kind */
	int8_t lock_class;      /* -1: none */
	kptr object;            /* its low bit: mmap_sem for read */
	uint32_t before, after; /* the object's word */
};

/* explore/explore.c: a snapshot, and runs of several paths that begin there */
bool explore_begin(struct vmemu *, uint32_t nr_paths,
		   const struct explore_options *);
void explore_end(struct vmemu *);
void explore_start(struct vmemu *);
void explore_stop(struct vmemu *);
int explore_choose(struct vmemu *); /* path, or -1 */
void explore_exit(struct vmemu *);
void explore_prescribe(struct vmemu *, const uint8_t *paths, uint32_t n);
int explore_advance(struct vmemu *); /* 0: explored */
int explore_outcome(struct vmemu *); /* enum explore_outcome */
int explore_redundant(struct vmemu *);
const struct explore_step *explore_steps(struct vmemu *, uint32_t *n);
struct explore_step explore_pending(struct vmemu *, int path);
uint64_t explore_digest(struct vmemu *);
void explore_step(struct vmemu *, enum step_kind, int lock_class, kptr object);

#endif
