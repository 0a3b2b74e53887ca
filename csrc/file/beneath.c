/*
 * file/beneath.c - names in directories of the host: what they are, where links lead.
 *
 * The directory lies beneath another, and the host follows no link on the way to it: see
 * vmemu/vfs/beneath.py.  A walk looks up each name of a path, so this is one call.
 */
#include "core/core.h"
#include "file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH 010000000
#endif

enum {
	NR_openat2 = 437,
	RESOLVE_NO_MAGICLINKS = 2,
	RESOLVE_NO_SYMLINKS = 4,
	RESOLVE_BENEATH = 8,
};

/* Its descriptor, which is nobody's to read or write; -1 with errno. */
static int directory_beneath(int root, const char *path)
{
	/* struct open_how */
	uint64_t how[] = { O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
				   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(NR_openat2, root, path, how, sizeof(how));
}

int64_t mode_beneath(int root, const char *path, const char *name)
{
	int fd = directory_beneath(root, path);
	struct stat told;
	int64_t mode;

	if (fd < 0)
		return -errno;
	mode = fstatat(fd, name, &told, AT_SYMLINK_NOFOLLOW) ?
		       -errno :
		       (int64_t)told.st_mode;
	close(fd);
	return mode;
}

int64_t readlink_beneath(int root, const char *path, const char *name, char *to,
			 size_t size)
{
	int fd = directory_beneath(root, path);
	int64_t length;

	if (fd < 0)
		return -errno;
	length = readlinkat(fd, name, to, size);
	if (length < 0)
		length = -errno;
	close(fd);
	return length;
}
