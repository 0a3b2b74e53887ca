/* vmemu.h - all that the C core declares to Python: preprocessed with VMEMU_CDEF
 * defined it is the cffi cdef.  No C file of the core includes it.
 */
#ifndef VMEMU_H
#define VMEMU_H
#include "structs.h"

/* clang-format off */
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
