/* A block of 100 MB, of which little is touched, one that grows, and many small ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 100 << 20, STEP = 64 * 4096, SMALL = 20000 };

static unsigned char *small[SMALL];

int main(void)
{
	unsigned char *large = malloc(LARGE), *grows = NULL;
	unsigned i, sum = 0, x = 1;

	for (i = 0; i < LARGE; i += STEP)
		large[i] = (unsigned char)(i / STEP);
	for (i = 0; i < LARGE; i += STEP)
		sum = sum * 31 + large[i] + large[i + 1];
	printf("large %u\n", sum);
	for (i = 1; i <= 64; i++) {
		grows = realloc(grows, i * 40000);
		memset(grows + (i - 1) * 40000, (int)i, 40000);
	}
	for (sum = i = 0; i < 64 * 40000; i += 100)
		sum += grows[i];
	printf("grown %u\n", sum);
	for (i = 0; i < SMALL; i++) {
		x = x * 1664525 + 1013904223;
		small[i] = malloc(1 + (x >> 16) % 100);
		small[i][0] = (unsigned char)i;
		if (i % 3 == 2) {
			free(small[i - 1]);
			small[i - 1] = calloc(1, 200);
		}
	}
	for (sum = i = 0; i < SMALL; i++) {
		sum += small[i][0];
		free(small[i]);
	}
	printf("small %u\n", sum);
	free(grows);
	free(large);
	return 0;
}
