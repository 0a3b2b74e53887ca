/* explore/api.h - what explore/ does, for Python and for others. */
#ifndef VMEMU_EXPLORE_API_H
#define VMEMU_EXPLORE_API_H
#include "structs.h"

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
