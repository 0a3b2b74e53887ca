/* /proc/cpuinfo says of the processor what the processor says of itself. */
#include "show.h"
#include <cpuid.h>

int main(void)
{
	char line[4000], text[49] = "", *value;
	unsigned int a, b, c, d, level, intel, size = 0, *words = (void *)text;
	FILE *file = fopen("/proc/cpuinfo", "r");

	__cpuid(0x80000006, a, b, c, d);
	size = (c >> 16) * 1024; /* where AMD's say it; Intel's last cache is below */
	__cpuid(0, a, b, c, d);
	intel = c == signature_INTEL_ecx;
	for (level = 0; intel && level < 8; level++) {
		__cpuid_count(4, level, a, b, c, d);
		if (!(a & 31))
			break;
		size = ((b >> 22) + 1) * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) * (c + 1);
	}
	for (level = 0; level < 3; level++)
		__cpuid(0x80000002 + level, words[4 * level], words[4 * level + 1], words[4 * level + 2],
			words[4 * level + 3]);
	while (fgets(line, sizeof line, file) && *line != '\n') {
		value = strchr(line, ':') + 2;
		value[strcspn(value, "\n")] = 0;
		if (!strncmp(line, "cache size", 10))
			printf("cache size %d\n", atoi(value) * 1024U == size);
		if (!strncmp(line, "model name", 10)) {
			for (value += strlen(value); value[-1] == ' ';)
				*--value = 0;
			printf("model name %d\n", strstr(text, strchr(line, ':') + 2) != NULL);
		}
	}
	return 0;
}
