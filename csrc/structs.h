/* structs.h - the structs and constants of all subsystems, in the order in which they
 * need each other: struct vmemu is made of them.  What a subsystem does is in its
 * api.h, which only those include who call it.
 *
 * Everything the modelled kernel owns (page tables, struct page, vmas, mms,
 * rmap objects, slabs, zone lists) lives in guest RAM with the kernel's field
 * order and size.  A `kptr` is such an object's kernel virtual address (PAGE_OFFSET +
 * physical); functions take host pointers to the same objects.  Only struct
 * vmemu itself, which stands for the CPU and for the devices, is host memory.
 *
 * Sizes are those of Linux 2.6.6..2.6.7 built for SMP without debugging: for i386,
 * or for x86-64 where VMEMU_BITS is 64.  Each width is a core of its own.
 */
#ifndef VMEMU_STRUCTS_H
#define VMEMU_STRUCTS_H
#ifndef VMEMU_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

struct vmemu;
struct explorer;
struct rmap_ops;
struct vm_area_struct;

/* clang-format off */
#include "arch/arch.h"
#include "base/types.h"
#include "page/types.h"
#include "file/types.h"
#include "mm/types.h"
#include "watch/types.h"
#include "rmap/types.h"
#include "swap/types.h"
#include "explore/types.h"
#include "cpu/types.h"
#include "core/types.h"
/* clang-format on */

#endif
