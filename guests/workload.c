/*
 * workload: a family that works while memory is short. A parent writes R pages in V areas and forks
 * N children; each maps OWN pages of its own in A areas and forks MATES, who share these. All then
 * read and write by turns at random, near where they did before, for W rounds.
 */
#include "guest.h"

#define SLOTS                                                                  \
	4u /* of a page: a count of writes, and what proves that it is this page's */
#define SLOT_WORDS (PAGE_WORDS / SLOTS)
#define PHASE 8u /* rounds after which a process works somewhere else */

enum { AT_NULL, AT_RANDOM = 25 };
#ifdef __x86_64__
enum { NR_sched_yield = 24 };
#else
enum { NR_sched_yield = 158 };
#endif

/* Pages in areas of equal length, each of which may have moved, in order, to a second place. */
struct areas {
	u32 pages, areas, gap, moved; /* gap: unmapped pages behind each */
	u8 *first, *second;
};

static struct areas inherited, own;
static struct family born, begin, end; /* all children are there; of the work */
static u32 children, mates, late, rounds, steps, hot, local, moves;
static u32 writes,
	own_writes; /* per cent of accesses to inherited pages, and to own ones */
static u32 state;   /* of the random numbers */
static u32 nreads, nwrites;

static u32 number(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	return state ^= state << 5;
}

/* Each process has a sequence of its own, the same for the same seed. */
static void shuffle(u32 from, u32 who)
{
	state = seed(from, who) | 1;
	for (u32 i = 0; i < 8; i++)
		number();
}

/* The first four of the random bytes that the kernel gives to every program. */
static u32 machine_seed(void)
{
	char **env = environ;
	ulong *aux;

	while (*env)
		env++;
	for (aux = (ulong *)(env + 1); aux[0] != AT_NULL; aux += 2)
		if (aux[0] == AT_RANDOM)
			return *(u32 *)aux[1];
	return 1;
}

/* ---- areas ---- */

static u32 length(const struct areas *a)
{
	return a->pages / a->areas;
}

static u32 *page(const struct areas *a, u32 i)
{
	u32 area = i / length(a),
	    at = area * (length(a) + a->gap) + i % length(a);

	return (u32 *)((area < a->moved ? a->second : a->first) +
		       at * PAGE_SIZE);
}

/* Pages that the areas take up, gaps included. */
static u32 room(const struct areas *a)
{
	return a->areas * (length(a) + a->gap);
}

/* Addresses for all of them, the same in every process. */
static void find_places(void)
{
	inherited.first = find_room(2 * room(&inherited) + room(&own) + 2);
	inherited.second = inherited.first + (room(&inherited) + 1) * PAGE_SIZE;
	own.first = inherited.second + (room(&inherited) + 1) * PAGE_SIZE;
}

static void map_areas(struct areas *a)
{
	if (!a->gap)
		must(mmap(a->first, a->pages * PAGE_SIZE, PROT_RW,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
		     "mmap");
	for (u32 i = 0; a->gap && i < a->areas; i++)
		must(mmap(page(a, i * length(a)), length(a) * PAGE_SIZE,
			  PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
		     "mmap");
}

/* Cut what has no gaps, so that no piece can merge with the next. */
static void cut_areas(struct areas *a)
{
	for (u32 i = 1; !a->gap && i < a->areas; i += 2)
		must(mprotect(page(a, i * length(a)), length(a) * PAGE_SIZE,
			      PROT_RWX),
		     "mprotect");
}

static void move_area(struct areas *a)
{
	u8 *from = (u8 *)page(a, a->moved * length(a));

	must(mremap(from, length(a) * PAGE_SIZE, length(a) * PAGE_SIZE,
		    MREMAP_MAYMOVE | MREMAP_FIXED,
		    a->second + (from - a->first)),
	     "mremap");
	a->moved++;
}

/* ---- pages ---- */

static void put(const struct areas *a, u32 i, u32 slot, u32 count)
{
	u32 *word = page(a, i) + slot * SLOT_WORDS;

	word[0] = count;
	word[1] = seed(count, i * SLOTS + slot);
}

static u32 get(const struct areas *a, u32 i, u32 slot)
{
	const u32 *word = page(a, i) + slot * SLOT_WORDS;

	if (word[1] != seed(word[0], i * SLOTS + slot))
		die("workload: page %u slot %u holds %x and %x\n", i, slot,
		    word[0], word[1]);
	return word[0];
}

static void write_all(const struct areas *a)
{
	for (u32 i = 0; i < a->pages; i++)
		for (u32 slot = 0; slot < SLOTS; slot++)
			put(a, i, slot, 0);
}

static u32 sum_of(const struct areas *a)
{
	u32 sum = 0;

	for (u32 i = 0; i < a->pages; i++)
		for (u32 slot = 0; slot < SLOTS; slot++)
			sum = (sum << 5 | sum >> 27) + get(a, i, slot);
	return sum;
}

/* ---- work ---- */

/* One access: LOCAL per cent of them to the HOT per cent of pages behind base. */
static void step(u32 base, u32 mine)
{
	u32 all = inherited.pages + mine, window = all * hot / 100 + 1, i, slot,
	    count;
	const struct areas *a = &inherited;
	u32 percent = writes;

	i = number() % 100 < local ? (base + number() % window) % all :
				     number() % all;
	slot = number() % SLOTS;
	if (i >= inherited.pages)
		a = &own, i -= inherited.pages, percent = own_writes;
	count = get(a, i, slot);
	if (number() % 100 < percent)
		put(a, i, slot, count + 1), nwrites++;
	else
		nreads++;
}

/* All rounds of a process that has so many pages besides the inherited ones. */
static void work(u32 mine)
{
	u32 base = 0;

	for (u32 round = 0; round < rounds; round++) {
		if (round % PHASE == 0)
			base = number() % (inherited.pages + mine);
		if (round < moves)
			move_area(&inherited);
		for (u32 i = 0; i < steps; i++)
			step(base, mine);
		syscall0(NR_sched_yield);
	}
}

/* ---- processes ---- */

/* What the parent is told: contents, and that all of the work was done. */
static u32 result(u32 mine)
{
	return sum_of(&inherited) + (mine ? sum_of(&own) : 0) + 3 * nreads +
	       5 * nwrites;
}

static void __attribute__((noreturn)) member(u32 from, u32 who)
{
	int status;

	shuffle(from, who);
	child_wait(&begin);
	work(own.pages);
	child_wait(&end);
	while (waitpid(-1, &status, 0) > 0)
		if (status)
			die("workload: a mate ended with status %x\n", status);
	child_exit(&end, result(own.pages));
}

static void __attribute__((noreturn)) child(u32 from, u32 i)
{
	u32 who = 1 + i * (mates + 1);

	if (own.pages) {
		map_areas(&own);
		write_all(&own);
	}
	if (late)
		child_wait(&born);
	for (u32 mate = 1; mate <= mates; mate++)
		if (must(fork(), "fork") == 0)
			member(from, who + mate);
	member(from, who);
}

static void divide(struct areas *a, const char *what, int gap)
{
	a->gap = gap;
	if (!a->areas || a->pages % a->areas)
		die("workload: %s areas of equal length are wanted\n", what);
}

int main(int argc, char **argv)
{
	u32 from = param(argc, argv, "SEED", 0), others, total;

	children = param(argc, argv, "N", 4);
	inherited.pages = param(argc, argv, "R", 64);
	inherited.areas = param(argc, argv, "V", 1);
	own.pages = param(argc, argv, "OWN", 0);
	own.areas = param(argc, argv, "A", 1);
	mates = param(argc, argv, "MATES", 0);
	late = param(argc, argv, "LATE", 0);
	rounds = param(argc, argv, "W", 16);
	steps = param(argc, argv, "STEPS", 32);
	writes = param(argc, argv, "WRITES", 50);
	own_writes = param(argc, argv, "OWNWRITES", 50);
	local = param(argc, argv, "LOCAL", 90);
	hot = param(argc, argv, "HOT", 25);
	moves = param(argc, argv, "MOVES", 0);
	divide(&inherited, "V", !param(argc, argv, "CUT", 0));
	divide(&own, "A", 1);
	if (!inherited.pages || moves > inherited.areas || moves > rounds)
		die("workload: R must be at least 1, MOVES at most V and at "
		    "most W\n");
	if (!from)
		from = machine_seed();
	others = children * (mates + 1);
	family_init(&born);
	family_init(&begin);
	family_init(&end);
	find_places();
	map_areas(&inherited);
	write_all(&inherited);
	cut_areas(&inherited);
	for (u32 i = 0; i < children; i++)
		if (must(fork(), "fork") == 0)
			child(from, i);
	if (late) {
		await_children(&born, children);
		release_children(&born, children);
	}
	shuffle(from, 0);
	await_children(&begin, others);
	release_children(&begin, others);
	work(0);
	await_children(&end, others);
	mark("measure", (ulong)inherited.first,
	     (inherited.areas * (length(&inherited) + inherited.gap) -
	      inherited.gap) *
		     PAGE_SIZE);
	release_children(&end, others);
	total = result(0);
	for (u32 sum, i = 0; i < others; i++, total += sum)
		must(read(end.sum[0], &sum, sizeof(sum)), "read");
	while (waitpid(-1, NULL, 0) > 0)
		;
	say("workload: %u processes, %u pages, %u rounds of %u, sum %x\n",
	    others + 1, inherited.pages + others * own.pages, rounds, steps,
	    total);
	return 0;
}
