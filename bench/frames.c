/*
 * frames: takes N frames from the page allocator and gives them back, BATCH (1 to 64) at a time.
 *
 * In C, since a call from Python takes longer than the allocator. It gets the core's functions as
 * pointers: they are declared in csrc/page/api.h and csrc/reclaim/api.h.
 */
enum { BATCH_MAX = 64, GFP_KERNEL = 0 };

typedef void *alloc_page(void *machine, int gfp);
typedef void put_page(void *machine, void *page);
typedef void release_pages(void *machine, void *const *pages, unsigned n);

/* How many: fewer than n when there was no memory. */
unsigned frames(void *machine, alloc_page *alloc, put_page *put, release_pages *release, unsigned n,
		unsigned batch)
{
	void *pages[BATCH_MAX];
	unsigned done = 0, i;

	while (done + batch <= n) {
		for (i = 0; i < batch && (pages[i] = alloc(machine, GFP_KERNEL)); i++)
			;
		if (i == 1)
			put(machine, pages[0]);
		else
			release(machine, pages, i);
		done += i;
		if (i < batch)
			break;
	}
	return done;
}
