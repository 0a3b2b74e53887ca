/* core/ram.h - host memory for guest RAM. */
#ifndef VMEMU_CORE_RAM_H
#define VMEMU_CORE_RAM_H
#include "base/base.h"

uint8_t *ram_map(uint64_t size); /* zeros; NULL = the host has none */
void ram_close(struct vmemu *);  /* its addresses stay, as zeros */

#endif
