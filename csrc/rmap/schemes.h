/*
 * rmap/schemes.h - the reverse maps there are: a line for each, in this order.
 *
 * A line is RMAP_SCHEME(NAME), which stands for rmap_NAME of rmap/NAME.c, or
 * includes rmap/NAME.h, which says so in its last line and declares before it,
 * once, what others see of the scheme.  Whoever includes this list says what a
 * scheme's name becomes; without a line here a scheme is not in the core.
 */
/* clang-format off */
RMAP_SCHEME(none)
#include "rmap/scan.h"
#include "rmap/pte_chain.h"
#include "rmap/anonmm.h"
#include "rmap/anon_vma.h"
#include "rmap/anon_vma_chain.h"
#include "rmap/anon_vma_lazy.h"
#include "rmap/cow_context.h"
#include "rmap/python.h"
/* clang-format on */
