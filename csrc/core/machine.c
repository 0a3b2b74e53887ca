/* core/machine.c - boots a machine: lays out guest RAM, names things, keeps events. */
#include "core/core.h"
#include "core/ram.h"
#include "file/file.h"
#include "file/i_mmap.h"
#include "mm/mm.h"
#include "page/page.h"
#include "rmap/rmap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int (*py_fault_entry)(struct vmemu *, struct mm_struct *, kulong, int);
int (*py_reclaim_entry)(struct vmemu *, int);
int (*py_switch_entry)(struct vmemu *, int);
int (*py_rmap_entry)(struct vmemu *, int, struct page *,
		     struct vm_area_struct *, struct mm_struct *, kulong,
		     kulong);

void vmemu_set_entries(int (*fault)(struct vmemu *, struct mm_struct *, kulong,
				    int),
		       int (*reclaim)(struct vmemu *, int),
		       int (*rmap)(struct vmemu *, int, struct page *,
				   struct vm_area_struct *, struct mm_struct *,
				   kulong, kulong),
		       int (*switch_to)(struct vmemu *, int))
{
	py_fault_entry = fault;
	py_reclaim_entry = reclaim;
	py_rmap_entry = rmap;
	py_switch_entry = switch_to;
}

static uint32_t mem_map_frames(uint32_t nr_frames)
{
	return (uint32_t)(((uint64_t)nr_frames * sizeof(struct page) +
			   PAGE_SIZE - 1) >>
			  PAGE_SHIFT);
}

uint32_t vmemu_boot_frames(uint64_t ram_bytes)
{
	return KERNEL_DATA_PFN + 1 +
	       mem_map_frames((uint32_t)(ram_bytes >> PAGE_SHIFT));
}

static void zone_boot(struct vmemu *m, uint32_t reserved, uint32_t min_pages)
{
	struct zone *zone = &m->k->zone;
	uint32_t pfn;

	list_init(m, &zone->free_list);
	list_init(m, &zone->active_list);
	list_init(m, &zone->inactive_list);
	zone->prev_priority = 12;
	zone->pages_min = min_pages;
	zone->pages_low = min_pages * 2;
	zone->pages_high = min_pages * 3;
	zone->present_pages = zone->free_pages = m->nr_frames - reserved;
	for (pfn = 0; pfn < reserved; pfn++) {
		m->mem_map[pfn].flags = PG_reserved;
		m->mem_map[pfn]._count = 1;
	}
	for (; pfn < m->nr_frames; pfn++) {
		m->mem_map[pfn].flags = PG_buddy;
		list_add(m, &m->mem_map[pfn].lru, &zone->free_list);
	}
}

/* false: there is no such scheme, or no host memory */
static bool set_scheme(struct vmemu *m, const char *name,
		       const struct rmap_plugin *plugin)
{
	m->rmap = find_scheme(name);
	if (m->rmap && m->rmap->plug)
		m->rmap = m->rmap_plugged = m->rmap->plug(plugin);
	return m->rmap != NULL;
}

/* So many bytes of zeros, which are the host's memory where they are touched. */
static void *zeros(uint64_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

static uint64_t stamps_size(uint64_t ram_bytes)
{
	return ram_bytes / 64 * sizeof(struct list_stamps);
}

struct vmemu *vmemu_new(uint64_t ram_bytes, const char *i_mmap,
			const char *rmap,
			const uint32_t rmap_option[MAX_RMAP_OPTIONS],
			const struct rmap_plugin *plugin, uint32_t cache_line,
			uint32_t min_free_pages, uint32_t ring_size, int levels,
			const struct kernel_layout *layout)
{
	struct vmemu *m = calloc(1, sizeof(*m));
	uint32_t reserved = vmemu_boot_frames(ram_bytes);
	int i;

	if (!m)
		return NULL;
	m->i_mmap = find_i_mmap(i_mmap);
	if (!m->i_mmap || !set_scheme(m, rmap, plugin))
		goto fail;
	m->i_mmap_node = i_mmap_node(m);
	memcpy(m->rmap_option, rmap_option, sizeof(m->rmap_option));
	m->rmap_each_pte = m->rmap->dup_pte || m->rmap->remove_pte ||
			   rmap_option[OPTION_stop];
	m->rmap_files = m->rmap->keeps_files && m->rmap->keeps_files(m);
	m->rmap_owners = (uint64_t)reserved << PAGE_SHIFT;
	reserved +=
		stop_frames(rmap_option, (uint32_t)(ram_bytes >> PAGE_SHIFT));
	m->ram = ram_map(ram_bytes);
	if (!m->ram)
		goto fail;
	m->kernel_base = (uintptr_t)m->ram - PAGE_OFFSET;
	if (ring_size) {
		m->trace.ring = calloc(ring_size, sizeof(*m->trace.ring));
		if (!m->trace.ring)
			goto fail_ram;
	}
	m->check.stamps = zeros(stamps_size(ram_bytes));
	m->inodes = zeros(NR_FILES * sizeof(*m->inodes));
	if (!m->check.stamps || !m->inodes)
		goto fail_ram;
	m->trace.size = ring_size;
	vmemu_stop_at(m, 0);
	m->ram_size = ram_bytes;
	m->nr_frames = (uint32_t)(ram_bytes >> PAGE_SHIFT);
	m->page_cluster = 3;
	if (layout)
		m->layout = *layout;
	address_space_boot(m, levels);
	m->locks.held = &m->locks.path;
	m->clock.limit = m->clock.next_timer = UINT64_MAX;
	m->k = (struct kernel_data *)(m->ram + KERNEL_DATA_PFN * PAGE_SIZE);
	m->mem_map =
		(struct page *)(m->ram + (KERNEL_DATA_PFN + 1) * PAGE_SIZE);
	for (i = 0; i < MAX_SWAPFILES; i++)
		m->swap.info[i].fd = -1;
	m->pages.handed_out = reserved;
	zone_boot(m, reserved, min_free_pages);
	list_init(m, &m->k->mmlist);
	list_init(m, &m->k->shmem_swaplist);
	list_init(m, &m->k->quarantine);
	list_init(m, &m->k->swapper_space.i_mmap_nonlinear);
	slab_boot(m, cache_line);
	map_lowmem(m);
	return m;

fail_ram:
	if (m->check.stamps)
		munmap(m->check.stamps, stamps_size(ram_bytes));
	if (m->inodes)
		munmap(m->inodes, NR_FILES * sizeof(*m->inodes));
	free(m->trace.ring);
	munmap(m->ram, ram_bytes);
fail:
	free(m->rmap_plugged);
	free(m);
	return NULL;
}

void vmemu_close(struct vmemu *m)
{
	int i;

	for (i = 0; i < MAX_SWAPFILES; i++) {
		free(m->swap.info[i].map_frames);
		m->swap.info[i].map_frames = NULL;
		if (m->swap.info[i].fd >= 0)
			close(m->swap.info[i].fd);
		m->swap.info[i].fd = -1;
	}
	close_files(m);
	ram_close(m);
	free(m->trace.ring);
	if (m->check.stamps)
		munmap(m->check.stamps, stamps_size(m->ram_size));
	if (m->inodes)
		munmap(m->inodes, NR_FILES * sizeof(*m->inodes));
	m->trace.ring = NULL;
	m->check.stamps = NULL;
	m->inodes = NULL;
	m->trace.size = 0;
}

void vmemu_free(struct vmemu *m)
{
	munmap(m->ram, m->ram_size);
	free(m->rmap_plugged);
	free(m);
}

const char *vmemu_counter_name(int id)
{
#define VMEMU_NAME(name) #name,
	static const char *const names[] = { VMEMU_COUNTERS(VMEMU_NAME) };
#undef VMEMU_NAME
	return id >= 0 && id < NR_COUNTERS ? names[id] : NULL;
}

const char *vmemu_event_name(int type)
{
	static const char *const names[NR_EVENTS] = {
		"none",     "fault", "zero",    "cow",     "swapin", "swapread",
		"swapout",  "unmap", "reclaim", "syscall", "switch", "fork",
		"exec",     "exit",  "signal",  "mmap",    "munmap", "mremap",
		"mprotect", "mark",  "oom"
	};
	return type >= 0 && type < NR_EVENTS ? names[type] : NULL;
}

/* NULL behind the scheme's last. */
const char *vmemu_cache_name(const struct vmemu *m, int id)
{
	static const char *const names[CACHE_rmap] = { "vm_area_struct",
						       "mm_struct",
						       "address_space",
						       "radix_tree_node" };

	if (id < 0 || id >= NR_CACHES)
		return NULL;
	return id < CACHE_rmap ? names[id] :
				 m->rmap->caches[id - CACHE_rmap].name;
}

void write_event(struct vmemu *m, int type, uint64_t a, uint64_t b, uint64_t c,
		 uint64_t d)
{
	struct event e = {
		.seq = m->trace.head,
		.time = m->clock.now,
		.pid = m->pid,
		.type = (uint32_t)type,
		.a = a,
		.b = b,
		.c = c,
		.d = d,
	};

	if (m->trace.size)
		m->trace.ring[m->trace.head++ & (m->trace.size - 1)] = e;
	if (m->trace.stop_at >> type & 1 && !m->trace.stopped.type)
		m->trace.stopped = e;
	if (m->trace.sampling.samples && m->clock.now >= m->trace.sampling.due)
		take_sample(m);
}

void vmemu_event(struct vmemu *m, int type, uint64_t a, uint64_t b, uint64_t c)
{
	event(m, type, a, b, c);
}

void vmemu_stop_at(struct vmemu *m, uint32_t types)
{
	m->trace.stop_at = types;
	m->trace.stopped.type = EV_none;
	m->trace.told =
		m->trace.size || m->trace.sampling.samples ? ~0u : types;
}

kptr vmemu_page_offset(void)
{
	return PAGE_OFFSET;
}

kptr vmemu_kaddr(struct vmemu *m, const void *p)
{
	return p ? kaddr(m, p) : 0;
}

void vmemu_bug(struct vmemu *m, const char *file, int line, const char *format,
	       ...)
{
	va_list args;
	int n;

	if (m->bug[0])
		return;
	m->trouble = 1;
	n = snprintf(m->bug, sizeof(m->bug), "%s:%d: ", file, line);
	va_start(args, format);
	vsnprintf(m->bug + n, sizeof(m->bug) - (size_t)n, format, args);
	va_end(args);
}
