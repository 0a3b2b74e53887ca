/*
 * process-tree: a random tree of processes, the same for the same SEED, shares R pages; some
 * rewrite some of them, some exit early. After the kernel's selftest of rmap, without its clock.
 */
#include "guest.h"

#define MAX_PAGES 64u
#define NOBODY (~0u)

/*
 * Processes are numbered as they are forked, which is depth first: a process forks its next child
 * when the previous one and all its descendants are there. All of it is computed from the seed,
 * by everybody alike: tests/scenarios/test_process_tree.py does it again.
 */
struct tree {
	u32 seed, depth, children, pages;
	u32 chosen, others; /* whose pages the lab pages out; all others that stay */
	u8 *area;
	int turn[2], done[2],
		ready[2]; /* the chosen one's turn; it has marked; a subtree is there */
	struct family all;
};

/* What makes a process do this or that: 32 bits from its number. */
static u32 draw(const struct tree *t, u32 number, u32 what)
{
	u32 x = t->seed * 0x9e3779b1u + number * 0x85ebca6bu + what * 0xc2b2ae35u;

	for (u32 i = 0; i < 2; i++) {
		x ^= x >> 16;
		x *= 0x7feb352du;
	}
	return x ^ x >> 15;
}

static u32 children_of(const struct tree *t, u32 number, u32 depth)
{
	if (depth + 1 >= t->depth)
		return 0;
	return number ? draw(t, number, 0) % (t->children + 1) : t->children;
}

static int stays(const struct tree *t, u32 number)
{
	return number == 0 || draw(t, number, 1) % 4 != 0;
}

/* A page is rewritten before the process forks, after that, or (NEVER, and more) not at all. */
enum { EARLY, LATE, NEVER };

static u32 rewrites(const struct tree *t, u32 number, u32 page)
{
	return draw(t, number, 2 + page) % 4;
}

/* Note what a process writes into which pages: its tags; and write it, unless it is a rehearsal. */
static void rewrite(const struct tree *t, u32 number, u32 when, u32 *tags, int really)
{
	for (u32 page = 0; page < t->pages; page++) {
		if (rewrites(t, number, page) != when)
			continue;
		tags[page] = 2 * number + when;
		if (really)
			fill_page(t->area, page, tags[page]);
	}
}

/* ---- a rehearsal without processes ---- */

struct count {
	u32 who, left;         /* the number of this one that stays; how many until it comes */
	u32 stay, mappings;    /* processes; ptes of the chosen one's pages */
	u32 wanted[MAX_PAGES]; /* tags of its pages */
};

/* From a process down; returns the first number that is not of its subtree. */
static u32 rehearse(const struct tree *t, u32 number, u32 depth, const u32 *inherited,
		    struct count *c)
{
	u32 tags[MAX_PAGES], next = number + 1, mine = NOBODY;

	memcpy(tags, inherited, sizeof(tags));
	if (stays(t, number))
		mine = c->stay++;
	rewrite(t, number, EARLY, tags, 0);
	for (u32 i = children_of(t, number, depth); i; i--)
		next = rehearse(t, next, depth + 1, tags, c);
	rewrite(t, number, LATE, tags, 0);
	for (u32 page = 0; mine != NOBODY && page < t->pages; page++)
		c->mappings += tags[page] == c->wanted[page];
	if (mine != NOBODY && mine == c->left) {
		c->who = number;
		memcpy(c->wanted, tags, sizeof(tags));
	}
	return next;
}

/* ---- the processes ---- */

static void verify(const struct tree *t, const u32 *tags)
{
	for (u32 page = 0; page < t->pages; page++)
		check_page(t->area, page, tags[page]);
}

/* The pages that the lab is to page out are this process's. */
static void have_turn(const struct tree *t)
{
	char c = 0;

	if (t->chosen)
		must(read(t->turn[0], &c, 1), "read");
	mark("measure", (ulong)t->area, t->pages * PAGE_SIZE);
	must(write(t->done[1], &c, 1), "write");
}

/* Copy all of the stack that an ancestor may have written, so that the area alone is shared. */
static void own_stack(const struct tree *t)
{
	volatile u8 *at = (volatile u8 *)((ulong)t & -PAGE_SIZE);

	for (u32 i = 0; i < 5; i++, at -= PAGE_SIZE)
		*at = *at;
}

static u32 subtree(struct tree *t, u32 number, u32 depth, u32 *tags);

/* A child, and its descendants: it ends here. */
static void __attribute__((noreturn)) child(struct tree *t, u32 number, u32 depth, u32 *tags)
{
	int ready = t->ready[1];
	char c = 0;

	own_stack(t);
	subtree(t, number, depth, tags);
	verify(t, tags);
	if (!stays(t, number))
		exit(0);
	must(write(ready, &c, 1), "write");
	if (number == t->chosen)
		have_turn(t);
	must(read(t->all.go[0], &c, 1), "read");
	verify(t, tags);
	child_exit(&t->all, checksum(t->area, t->pages));
}

/* Write early, fork all children in turn, write late; returns the next free number. */
static u32 subtree(struct tree *t, u32 number, u32 depth, u32 *tags)
{
	u32 n = children_of(t, number, depth), next = number + 1;
	int status, pid;
	char c;

	rewrite(t, number, EARLY, tags, 1);
	if (n)
		must(pipe(t->ready), "pipe");
	for (u32 i = 0; i < n; i++) {
		struct count nobody = { .left = NOBODY };

		if ((pid = must(fork(), "fork")) == 0)
			child(t, next, depth + 1, tags);
		if (stays(t, next)) {
			must(read(t->ready[0], &c, 1), "read");
		} else {
			must(waitpid(pid, &status, 0), "wait4");
			if (status)
				die("process-tree: %u ended with status %x\n", next, status);
		}
		next = rehearse(t, next, depth + 1, tags, &nobody);
	}
	rewrite(t, number, LATE, tags, 1);
	return next;
}

/* Choose the WHO-th process of those that stay, going round; tell how many there are. */
static void plan(struct tree *t, u32 who)
{
	u32 fresh[MAX_PAGES] = { 0 };
	struct count c = { .left = NOBODY };

	rehearse(t, 0, 0, fresh, &c);
	c.left = who % c.stay;
	c.stay = 0;
	rehearse(t, 0, 0, fresh, &c);
	t->chosen = c.who;
	t->others = c.stay - 1;
	c.left = NOBODY;
	c.stay = c.mappings = 0;
	rehearse(t, 0, 0, fresh, &c);
	mark("processes", c.stay, 0);
	mark("mappings", c.mappings, 0);
	say("process-tree: %u processes stay, %u mappings\n", c.stay, c.mappings);
}

int main(int argc, char **argv)
{
	struct tree t = { .seed = param(argc, argv, "SEED", 1),
			  .depth = param(argc, argv, "DEPTH", 5),
			  .children = param(argc, argv, "CHILDREN", 3),
			  .pages = param(argc, argv, "R", 8) };
	u32 tags[MAX_PAGES] = { 0 }, sum, total = 0;
	char c = 0;

	if (t.depth < 1 || t.pages > MAX_PAGES)
		die("process-tree: DEPTH is at least 1, R at most %u\n", MAX_PAGES);
	plan(&t, param(argc, argv, "WHO", 0));
	family_init(&t.all);
	must(pipe(t.turn), "pipe");
	must(pipe(t.done), "pipe");
	t.area = map_pages(t.pages);
	fill(t.area, t.pages, 0);
	subtree(&t, 0, 0, tags);
	if (t.chosen == 0)
		have_turn(&t);
	else
		must(write(t.turn[1], &c, 1), "write");
	must(read(t.done[0], &c, 1), "read");
	release_children(&t.all, t.others);
	for (u32 i = 0; i < t.others; i++, total += sum)
		must(read(t.all.sum[0], &sum, sizeof(sum)), "read");
	while (waitpid(-1, NULL, 0) > 0)
		;
	verify(&t, tags);
	say("process-tree: first %x, others %x\n", checksum(t.area, t.pages), total);
	return 0;
}
