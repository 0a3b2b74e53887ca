/* vmemu.h - what the C core declares to everybody: its subsystems' api.h, in
 * the order in which they need each other.  Preprocessed with VMEMU_CDEF
 * defined it is the cffi cdef.
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
#ifndef VMEMU_H
#define VMEMU_H
#ifndef VMEMU_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

struct vmemu;
struct explorer;
struct rmap_ops;

/* clang-format off */
#include "arch/arch.h"
#include "base/api.h"
#include "page/api.h"
#include "file/api.h"
#include "mm/api.h"
#include "watch/api.h"
#include "rmap/api.h"
#include "swap/api.h"
#include "reclaim/api.h"
#include "explore/api.h"
#include "cpu/api.h"
#include "core/api.h"
/* clang-format on */

#endif
