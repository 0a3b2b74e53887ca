/* file.h - a file of the guest's own. */
#ifndef FILE_H
#define FILE_H

enum { MAP_SHARED = 1, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80 };
#ifdef __x86_64__
enum { NR_pwrite64 = 18, NR_unlink = 87 };
#else
enum { NR_unlink = 10, NR_pwrite64 = 181 };
#endif

/* A new file that has no name any more; the first word of page n is seed(0, n). */
static UNUSED int unnamed_file(u32 pages)
{
	char name[] = "/tmp/vmemu-000000000";
	u32 pid = (u32)getpid();
	int fd;

	for (u32 i = sizeof(name) - 2; pid; pid /= 10)
		name[i--] = (char)('0' + pid % 10);
	fd = (int)must(syscall3(NR_open, name, O_RDWR | O_CREAT | O_EXCL, 0600), "open");
	must(syscall1(NR_unlink, name), "unlink");
	for (u32 n = 0; n < pages; n++) {
		u32 word = seed(0, n);

		must(syscall5(NR_pwrite64, fd, (long)&word, sizeof(word), (long)(n * PAGE_SIZE), 0),
		     "pwrite64");
	}
	return fd;
}

#endif
