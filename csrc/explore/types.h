/* explore/types.h - runs of several paths in every order that matters. */
#ifndef VMEMU_EXPLORE_TYPES_H
#define VMEMU_EXPLORE_TYPES_H

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

#endif
