/* core/api.h - what core/ does, for Python and for others. */
#ifndef VMEMU_CORE_API_H
#define VMEMU_CORE_API_H
#include "structs.h"

/* C -> Python: the only ways back. */
#ifdef VMEMU_CDEF
extern "Python" int py_fault(struct vmemu *, struct mm_struct *, kulong address,
			     int access);
extern "Python" int py_reclaim(struct vmemu *, int gfp);
extern "Python" int py_rmap(struct vmemu *, int call, struct page *,
			    struct vm_area_struct *, struct mm_struct *,
			    kulong address, kulong other);
extern "Python" int py_switch(struct vmemu *, int path);
#else
extern int (*py_fault_entry)(struct vmemu *, struct mm_struct *, kulong, int);
extern int (*py_reclaim_entry)(struct vmemu *, int);
extern int (*py_rmap_entry)(struct vmemu *, int, struct page *,
			    struct vm_area_struct *, struct mm_struct *, kulong,
			    kulong);
extern int (*py_switch_entry)(struct vmemu *, int);
#endif
void vmemu_set_entries(int (*fault)(struct vmemu *, struct mm_struct *, kulong,
				    int),
		       int (*reclaim)(struct vmemu *, int),
		       int (*rmap)(struct vmemu *, int, struct page *,
				   struct vm_area_struct *, struct mm_struct *,
				   kulong, kulong),
		       int (*switch_to)(struct vmemu *, int));

/* core/machine.c */
struct vmemu *vmemu_new(uint64_t ram_bytes, const char *i_mmap,
			const char *rmap,
			const uint32_t rmap_option[MAX_RMAP_OPTIONS],
			const struct rmap_plugin *, uint32_t cache_line,
			uint32_t min_free_pages, uint32_t ring_size, int levels,
			const struct kernel_layout *);
kptr vmemu_page_offset(void);
void vmemu_close(struct vmemu *); /* files and RAM; addresses stay, as zeros */
void vmemu_free(struct vmemu *);  /* after it */
uint32_t vmemu_boot_frames(uint64_t ram_bytes); /* frames reserved at boot */
/* core/ram.c */
uintptr_t ram_store(void);       /* where a closed machine's RAM is kept */
void ram_share_store(uintptr_t); /* another core's is used instead */
uint64_t ram_kept(void);         /* bytes of it; 0 = none */
void ram_by_need(void);          /* none is kept, none present until touched */

const char *vmemu_counter_name(int id);
const char *vmemu_event_name(int type);
const char *vmemu_cache_name(const struct vmemu *, int id);
void vmemu_event(struct vmemu *, int type, uint64_t a, uint64_t b, uint64_t c);
/* The next event of these types (bits) sets stop_event, and the CPU stops. */
void vmemu_stop_at(struct vmemu *, uint32_t types);

/* core/sample.c */
void vmemu_read_sample(struct vmemu *, struct sample *); /* as it stands now */
/* Fill the array with samples, the first now, then this time apart.  When it is
 * full, the time doubles and those between go: a run of any length fits, and
 * nothing in it changes.  NULL ends it. */
void vmemu_sample(struct vmemu *, struct sample *, uint32_t room,
		  uint64_t step);

kptr vmemu_kaddr(struct vmemu *, const void *host); /* 0 for NULL */

#endif
