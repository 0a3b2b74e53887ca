/* cpu/load.c - finds Unicorn's functions in its library. */
#include "cpu/cpu.h"

#include <dlfcn.h>
#include <string.h>

/*
 * NULL, or what is wrong.  The library's own calls are bound as they are made: most of its
 * 7,800 are of other CPUs', and to look them all up takes longer than a short guest's run.
 */
const char *cpu_load(const char *path, void **functions)
{
#define UC_NAME(name, ...) "uc_" #name,
	static const char *const names[] = { UC_FUNCTIONS(UC_NAME) };
#undef UC_NAME
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	size_t i;

	if (!library)
		return dlerror();
	for (i = 0; i < NR_UC_FUNCTIONS; i++) {
		functions[i] = dlsym(library, names[i]);
		if (!functions[i])
			return dlerror();
	}
	return NULL;
}
