/* rmap/schemes.c - the table of reverse maps that rmap/schemes.h lists. */
#include "rmap/rmap.h"

#undef RMAP_SCHEME
#define RMAP_SCHEME(name) &rmap_##name,
static const struct rmap_ops *const schemes[] = {
#include "rmap/schemes.h"
};

#define NR_SCHEMES ((int)(sizeof(schemes) / sizeof(*schemes)))

const char *vmemu_rmap_name(int i)
{
	return i >= 0 && i < NR_SCHEMES ? schemes[i]->name : NULL;
}

const struct rmap_ops *find_scheme(const char *name)
{
	int i;

	for (i = 0; i < NR_SCHEMES; i++)
		if (!strcmp(schemes[i]->name, name))
			return schemes[i];
	return NULL;
}
