/*
 * cpu/exits.c - looks at code before it is translated, and says where the
 * engine has to stop.
 *
 * Three things Unicorn's translator does wrongly cannot be caught once it runs:
 * - it has 512 temporaries for a block and does not give back those of some
 *   instructions (x87 ones take two each); a block of 232 `fxch` makes it write
 *   behind its table;
 * - it takes an instruction coded with VEX for the older one it extends, and
 *   computes something else.  A CPU without AVX has #UD there;
 * - it aborts the process at a bit test of a register with `lock`, which is #UD.
 * A block ends where the engine is told to stop, an `exit`.  So when code is
 * first fetched from a frame, all its bytes are looked at: exits are set so that
 * no straight run of instructions, wherever it is entered, takes too many
 * temporaries, and wherever an instruction may begin that is to be refused.
 * An exit in the middle of an instruction is never met.
 *
 * A page that is written after code was fetched from it cannot be looked at
 * each time.  There an exit stands at every byte of a short stretch, over which
 * no instruction can step, again and again.
 */
#include "cpu/cpu.h"
#include "cpu/shape.h"
#include "page/page.h"

#include <stdlib.h>

enum {
	/* In one page; a block may reach into a second, and one exit may be away:
	 * three times this, and what a block has of its own, must be below 512. */
	TEMPORARIES = 140,
	WALL_EVERY = 120, /* bytes; an x87 instruction takes one for each */
	PAGES_MAX =
		256, /* and exits, 4096: Unicorn goes through all at each stop */
	EXITS_MAX = 4096,
	FOUND_MAX = 256, /* frames */
};

struct exit_page {
	kulong page;
	const struct page *frame; /* whose code was looked at last */
	uint32_t bits[PAGE_SIZE / 32];
};

/* What was found in a frame, which other processes map too, and at other addresses. */
struct found_exits {
	const struct page *frame;
	uint32_t bits[PAGE_SIZE / 32];
};

struct cpu_exits {
	struct found_exits found[FOUND_MAX]; /* by frame number */
	struct exit_page *pages;
	uint32_t nr_pages, room;
	uint64_t *list; /* what the engine was told */
	uint32_t nr_list, list_room;
	kulong away; /* one exit, on the list, the engine does not know; or 0 */
	const struct page *away_from; /* whose code goes on there */
	kulong absent; /* a page with exits that is not there any more; or 0 */
};

/* ---- where to stop --------------------------------------------------------- */

static void set_exit(uint32_t *bits, uint32_t at)
{
	bits[at / 32] |= 1u << at % 32;
}

static bool has_exit(const uint32_t *bits, uint32_t at)
{
	return bits[at / 32] >> at % 32 & 1;
}

/* More than what all instructions that could begin anywhere here take. */
static uint32_t most_taken(const uint8_t *code, uint32_t *vex)
{
	uint32_t i, n = 0;

	*vex = 0;
	for (i = 0; i < PAGE_SIZE; i++) {
		uint8_t byte = code[i], next = code[i + 1];

		if (byte >= 0xd8 && byte <= 0xdf)
			n += 2;
		else if (byte == 0x0f)
			n += next == 0x78 ? 2 : 1;
		else if (byte == 0xd4 || byte == 0xd5 || byte == 0xc8 ||
			 byte == 0xce || byte == 0x8e ||
			 (byte & 0xf4) == 0xe4 || (byte & 0xfc) == 0x6c)
			n++;
		else if ((byte & 0xfe) == 0xc4 && (LONG_MODE || next >= 0xc0))
			*vex += 1;
	}
	return n;
}

/*
 * From the end backwards: what is taken by a block that begins here, or comes
 * here.  Where it would be too much for the instruction before, an exit is set.
 */
static void bound_runs(const uint8_t *code, uint32_t *bits)
{
	uint16_t taken[PAGE_SIZE + INSN_MAX + 1] = { 0 };
	int at, to, last;

	for (at = PAGE_SIZE - 1; at >= 0; at--) {
		struct shape shape = insn_shape(code + at);
		int most = 0;

		/* One that is not known may have any length. */
		to = at + (shape.length ? shape.length : 1);
		last = at + (shape.length ? shape.length : INSN_MAX);
		for (; !shape.ends && to <= last; to++) {
			if (shape.takes + taken[to] > TEMPORARIES) {
				set_exit(bits, (uint32_t)to);
				taken[to] = 0;
			}
			if (taken[to] > most)
				most = taken[to];
		}
		taken[at] = (uint16_t)(shape.takes + most);
		if (has_exit(bits, (uint32_t)at))
			taken[at] = 0;
	}
}

/* Most bytes are neither a prefix nor the first of VEX. */
static bool may_be_vex(uint8_t byte)
{
	return (byte & 0xfe) == 0xc4 || is_prefix(byte);
}

/* Where in these bytes, a page, the engine has to stop; false: nowhere. */
static bool find_exits(const uint8_t *page, uint32_t *bits)
{
	uint8_t code[PAGE_SIZE + CPU_INSN_BYTES] = { 0 };
	uint32_t vex, at;
	struct lengths lengths = { 0 };
	bool dense;

	memcpy(code, page, PAGE_SIZE);
	dense = most_taken(code, &vex) > TEMPORARIES;
	/* The page behind may go on with what begins here. */
	memset(code + PAGE_SIZE, 0xc1, sizeof(code) - PAGE_SIZE);
	if ((code[PAGE_SIZE - 1] & 0xfe) == 0xc4)
		vex++;
	memset(bits, 0, PAGE_SIZE / 8);
	/* They should be few: Unicorn goes through all each time it starts. */
	for (at = 0; vex && at < PAGE_SIZE; at++)
		if (may_be_vex(code[at]) && is_vex(code + at) &&
		    begins_insn(code, (int)at, &lengths))
			set_exit(bits, at);
	for (at = 0; at < PAGE_SIZE; at++)
		if (is_prefix(code[at]) &&
		    is_locked_bit_test(code + at, code + PAGE_SIZE))
			set_exit(bits, at);
	if (dense)
		bound_runs(code, bits);
	for (at = 0; at < PAGE_SIZE / 32; at++)
		if (bits[at])
			return true;
	return false;
}

static void build_walls(uint32_t *bits)
{
	uint32_t at, i;

	for (at = 1; at + INSN_MAX <= PAGE_SIZE; at += WALL_EVERY)
		for (i = 0; i < INSN_MAX; i++)
			set_exit(bits, at + i);
}

/* ---- what the engine knows of it -------------------------------------------- */

static struct exit_page *exits_of(struct cpu_exits *exits, kulong page)
{
	uint32_t i;

	for (i = 0; i < exits->nr_pages; i++)
		if (exits->pages[i].page == page)
			return &exits->pages[i];
	return NULL;
}

/*
 * Never inside a hook: when the engine stops it goes through its exits, may call
 * the hook for each, and does not survive that they are replaced meanwhile.
 */
void cpu_tell_exits(struct vmemu *m)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	size_t n = exits->nr_list - (exits->away != 0);

	m->cpu.state->exits_untold = false;
	cpu_exits_on(m); /* else it would not listen */
	/* The one that is away stands last. */
	m->cpu.state->uc.ctl(m->cpu.uc, CTL_EXITS, exits->list, (size_t)n);
}

/*
 * Whenever the engine stops it drops the blocks at all of its exits, since one of
 * them may be where it stopped: a third of a microsecond for each.  A hook that
 * stops it says that this is not so.
 */
void cpu_exits_off(struct vmemu *m)
{
	if (!m->cpu.state->exits->nr_list || m->cpu.state->exits_off)
		return;
	m->cpu.state->uc.ctl(m->cpu.uc, CTL_USE_EXITS, 0);
	m->cpu.state->exits_off = true;
}

void cpu_exits_on(struct vmemu *m)
{
	if (!m->cpu.state->exits_off)
		return;
	m->cpu.state->uc.ctl(m->cpu.uc, CTL_USE_EXITS, 1);
	m->cpu.state->exits_off = false;
}

static bool grow(void *array, uint32_t used, uint32_t *room, size_t size)
{
	void *bigger, **at = array;

	if (used < *room)
		return true;
	bigger = realloc(*at, (size_t)(*room ? *room * 2 : 16) * size);
	if (!bigger)
		return false;
	*at = bigger;
	*room = *room ? *room * 2 : 16;
	return true;
}

/* These bytes of the page too, whatever was there before; false: no room. */
static bool add_exits(struct vmemu *m, kulong page, const struct page *frame,
		      const uint32_t *bits)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	struct exit_page *entry = exits_of(exits, page);
	uint32_t before = exits->nr_list;
	uint32_t at, last;

	if (!entry) {
		if (exits->nr_pages == PAGES_MAX ||
		    !grow(&exits->pages, exits->nr_pages, &exits->room,
			  sizeof(*entry)))
			return false;
		entry = &exits->pages[exits->nr_pages++];
		memset(entry, 0, sizeof(*entry));
		entry->page = page;
	}
	for (at = 0; at < PAGE_SIZE; at++) {
		if (!has_exit(bits, at) || has_exit(entry->bits, at))
			continue;
		if (exits->nr_list == EXITS_MAX ||
		    !grow(&exits->list, exits->nr_list, &exits->list_room,
			  sizeof(*exits->list)))
			return false;
		set_exit(entry->bits, at);
		/* Not behind the one that is away. */
		last = exits->nr_list++;
		if (exits->away) {
			exits->list[last] = exits->list[last - 1];
			last--;
		}
		exits->list[last] = page + at;
	}
	entry->frame = frame;
	if (exits->nr_list != before)
		m->cpu.state->exits_untold = true;
	return true;
}

static struct found_exits *found_in(struct vmemu *m, const struct page *frame)
{
	return &m->cpu.state->exits->found[(frame - m->mem_map) % FOUND_MAX];
}

/* The frame has other code now: what was known of it is true nowhere. */
static void forget_frame(struct vmemu *m, const struct page *frame)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	struct found_exits *found = found_in(m, frame);
	uint32_t i;

	for (i = 0; i < exits->nr_pages; i++)
		if (exits->pages[i].frame == frame)
			exits->pages[i].frame = NULL;
	if (found->frame == frame)
		found->frame = NULL;
	if (exits->away_from == frame)
		exits->away_from = NULL;
}

/* It begins with a locked bit test; what may be its first prefixes is before it. */
static bool goes_on(struct vmemu *m, const struct page *frame)
{
	const uint8_t *code = page_address(m, frame);

	return is_prefix(*code) && is_locked_bit_test(code, code + PAGE_SIZE);
}

/*
 * Code of this frame is met where an exit is away on behalf of another's, or
 * behind one that was harmless with what was here then.
 */
static void call_back(struct vmemu *m, kulong page, const struct page *frame)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	const kulong away = exits->away;

	if (!away)
		return;
	if ((away & PAGE_MASK) == page ?
		    exits->away_from == frame :
		    page - away >= INSN_MAX || !goes_on(m, frame))
		return;
	exits->away = 0;
	m->cpu.state->exits_untold = true;
}

/* The same of a frame, which may have been looked at before. */
static bool exits_in(struct vmemu *m, const struct page *frame, uint32_t *bits)
{
	struct found_exits *found = found_in(m, frame);
	const bool changes = frame->flags & PG_rewritten;

	if (found->frame == frame && !changes) {
		memcpy(bits, found->bits, sizeof(found->bits));
		return true;
	}
	if (!find_exits(page_address(m, frame), bits))
		return false;
	if (!changes) {
		found->frame = frame;
		memcpy(found->bits, bits, sizeof(found->bits));
	}
	return true;
}

/*
 * Exits where a locked bit test may begin that has its first prefixes in the page
 * before, whatever that is.  Nearly no page goes on with one, while every tenth
 * of 64-bit code ends with what can be a prefix.
 */
static bool add_exits_before(struct vmemu *m, kulong page,
			     const struct page *frame)
{
	uint32_t bits[PAGE_SIZE / 32] = { 0 };
	uint32_t i;

	if (!page || !goes_on(m, frame))
		return true;
	for (i = 1; i < INSN_MAX; i++)
		set_exit(bits, PAGE_SIZE - i);
	return add_exits(m, page - PAGE_SIZE, NULL, bits);
}

bool cpu_look_at_code(struct vmemu *m, kulong address, struct page *page)
{
	uint32_t bits[PAGE_SIZE / 32];
	const struct exit_page *known;

	if (!page_executed(page)) {
		page->flags &= ~(kulong)(PG_exits | PG_rewritten);
		forget_frame(m, page);
		if (!exits_in(m, page, bits))
			return true;
		page->flags |= PG_exits;
	} else if (!(page->flags & PG_exits)) {
		return true;
	}
	call_back(m, address & PAGE_MASK, page);
	known = exits_of(m->cpu.state->exits, address & PAGE_MASK);
	if (known && known->frame == page && !(page->flags & PG_rewritten))
		return true;
	exits_in(m, page, bits);
	if (page->flags & PG_rewritten)
		build_walls(bits);
	return add_exits_before(m, address & PAGE_MASK, page) &&
	       add_exits(m, address & PAGE_MASK, page, bits);
}

bool cpu_code_may_change(struct vmemu *m, kulong address, struct page *page)
{
	uint32_t bits[PAGE_SIZE / 32] = { 0 };

	page->flags |= PG_exits | PG_rewritten;
	build_walls(bits);
	return add_exits(m, address & PAGE_MASK, page, bits);
}

/* Too many pages: all blocks go, and with them what was known of their code. */
void cpu_forget_exits(struct vmemu *m)
{
	struct cpu_exits *exits = m->cpu.state->exits;

	m->cpu.state->exits_full = false;
	exits->nr_pages = 0;
	exits->nr_list = 0;
	exits->away = exits->absent = 0;
	cpu_tell_exits(m);
	m->cpu.state->uc.ctl(m->cpu.uc, CTL_TB_FLUSH);
	m->tlb.stale = 1;
}

/*
 * When the engine has stopped it looks up the byte before each exit, as if it
 * fetched from there.  That is no fault if the page is not there; and if it was
 * one, it comes again once these exits are gone.
 */
bool cpu_exit_absent(struct vmemu *m, kulong page)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	const struct exit_page *behind;

	if (!exits->nr_pages)
		return false;
	if (m->cpu.state->trap)
		return true;
	behind = exits_of(exits, page + PAGE_SIZE);
	if (!exits_of(exits, page) && !(behind && has_exit(behind->bits, 0)))
		return false;
	exits->absent = page;
	return true;
}

static bool drop_absent_exits(struct vmemu *m)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	kulong page = exits->absent;
	struct exit_page *entry;
	uint32_t i, n = 0;

	if (!page)
		return false;
	for (i = 0; i < exits->nr_list; i++)
		if (exits->list[i] - page > PAGE_SIZE)
			exits->list[n++] = exits->list[i];
	exits->nr_list = n;
	if (exits->away - page <= PAGE_SIZE)
		exits->away = 0;
	entry = exits_of(exits, page + PAGE_SIZE);
	if (entry) {
		entry->bits[0] &= ~1u;
		entry->frame = NULL; /* which is looked at again */
	}
	entry = exits_of(exits, page);
	if (entry) {
		/* If they were the next page's, that is to be fetched anew. */
		m->tlb.stale |= has_exit(entry->bits, PAGE_SIZE - 1);
		*entry = exits->pages[--exits->nr_pages];
	}
	exits->absent = 0;
	cpu_tell_exits(m);
	return true;
}

/* The frame that is mapped there, or NULL. */
static const struct page *code_at(struct vmemu *m, kulong ip)
{
	const uint8_t *byte = cpu_user_bytes(m, ip);

	return byte ? m->mem_map + ((byte - m->ram) >> PAGE_SHIFT) : NULL;
}

/*
 * Unicorn does not get past an exit that it starts at.  So that one is taken
 * away, until it is another's turn; then the block that begins here can be
 * translated.  What comes here meanwhile is bounded by the exits on both sides.
 */
static void send_away(struct vmemu *m, kulong ip)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	uint32_t i, last = exits->nr_list - 1;

	for (i = 0; i < last && exits->list[i] != ip; i++)
		;
	exits->list[i] = exits->list[last];
	exits->list[last] = ip;
	exits->away = ip;
	exits->away_from = code_at(m, ip);
	cpu_tell_exits(m);
}

static enum cpu_exit at_exit(struct vmemu *m)
{
	struct cpu_exits *exits = m->cpu.state->exits;
	uint8_t code[CPU_INSN_BYTES] = { 0 };
	const struct exit_page *entry;
	kulong ip, room;
	int i;

	cpu_store_regs(m);
	ip = m->regs.ip;
	entry = exits_of(exits, ip & PAGE_MASK);
	if (!entry || !has_exit(entry->bits, ip & ~PAGE_MASK))
		return EXIT_NONE;
	for (i = 0; i < INSN_MAX; i++)
		code[i] = (uint8_t)cpu_user_byte(m, ip + (kulong)i);
	room = PAGE_SIZE - (ip & ~PAGE_MASK);
	if ((kulong)insn_shape(code).length > room &&
	    cpu_user_byte(m, ip + room) < 0) {
		m->fault.address = ip + room;
		m->fault.access = ACCESS_FETCH;
		m->fault.inexact = 0;
		m->fault.result = FAULT_OUTSIDE;
		m->cpu.state->trap = TRAP_FAULT;
		return EXIT_NONE;
	}
	if (is_vex(code) || is_locked_bit_test(code, code + INSN_MAX))
		return EXIT_REFUSED;
	send_away(m, ip);
	return EXIT_PASSED;
}

/* Why has the engine stopped, if no hook made it stop? */
enum cpu_exit cpu_stopped(struct vmemu *m, int err)
{
	enum cpu_exit met = EXIT_NONE;

	if (m->cpu.state->trap || m->cpu.state->stop) {
		m->cpu.state->exits->absent = 0;
		return EXIT_NONE;
	}
	if (err == UC_ERR_OK || m->cpu.state->exits->absent)
		met = at_exit(m);
	if (met == EXIT_REFUSED) /* that is why, and they stay */
		m->cpu.state->exits->absent = 0;
	if (drop_absent_exits(m) && met == EXIT_NONE)
		met = EXIT_PASSED;
	return met;
}

bool cpu_exits_init(struct vmemu *m)
{
	m->cpu.state->exits = calloc(1, sizeof(*m->cpu.state->exits));
	return m->cpu.state->exits;
}

void cpu_exits_free(struct vmemu *m)
{
	struct cpu_exits *exits = m->cpu.state->exits;

	if (!exits)
		return;
	free(exits->pages);
	free(exits->list);
	free(exits);
}
