/*
 * vmemu.h - what a program of one's own can ask of vmemu.
 *
 * vmemu run prog.c finds this file by itself; elsewhere: cc -I"$(vmemu include-dir)" prog.c.
 *
 * Outside vmemu nothing here has an effect: each function makes one system call whose number no
 * Linux knows and gives -ENOSYS; on processors other than x86 it makes none. Nothing is included
 * and errno stays as it is, so this serves any C library, i386 and x86-64, C99 and C++11, and
 * programs without a library.
 *
 * A negative result is an error, as the kernel numbers it:
 *   -ENOSYS (-38)  vmemu does not run this program (a sandbox may say -EPERM instead)
 *   -EFAULT (-14)  a name that cannot be read
 *   -EINVAL (-22)  a counter that does not exist; a range that leaves the user's addresses
 *   -ENOMEM (-12)  a part of the range is not mapped
 */
#ifndef VMEMU_H
#define VMEMU_H

enum {
	VMEMU_CALL = 0x766d, /* "vm" */
	VMEMU_MARK = 0, VMEMU_RECLAIM, VMEMU_COUNTER, VMEMU_CHECK, VMEMU_TRIM
};

/* The call itself: an operation and three arguments. */
static __inline__ long vmemu_call(long operation, long a, long b, long c)
{
	long result = -38;

#if defined(__x86_64__)
	register long r10 __asm__("r10") = c;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)VMEMU_CALL), "D"(operation), "S"(a), "d"(b), "r"(r10)
			 : "rcx", "r11", "memory");
#elif defined(__i386__)
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"((long)VMEMU_CALL), "b"(operation), "c"(a), "d"(b), "S"(c)
			 : "memory");
#else
	(void)operation, (void)a, (void)b, (void)c;
#endif
	return result;
}

/* 1 if vmemu runs this program, else 0. Reclaims until 0 frames are free, which is nothing. */
static __inline__ int vmemu_inside(void)
{
	return vmemu_call(VMEMU_TRIM, 0, 0, 0) == 0;
}

/*
 * Mark this moment: the name, of 255 bytes at most, a and b stand in the trace, and a script that
 * runs the machine gets them (machine.kernel.on_mark). The script's answer, or 0.
 */
static __inline__ long vmemu_mark(const char *name, unsigned long a, unsigned long b)
{
	return vmemu_call(VMEMU_MARK, (long)name, (long)a, (long)b);
}

/*
 * Have the pages that [start, start + bytes) touches unmapped from this process and written to
 * swap. How many were unmapped: locked pages stay, and what was never touched is no page yet.
 * With -ENOMEM the mapped part was still done.
 */
static __inline__ long vmemu_reclaim(const void *start, unsigned long bytes)
{
	return vmemu_call(VMEMU_RECLAIM, (long)start, (long)bytes, 0);
}

/* Read a counter of the machine by its name (vmemu help counters); 0, and 0 in *value on errors. */
static __inline__ long vmemu_counter(const char *name, unsigned long long *value)
{
	*value = 0;
	return vmemu_call(VMEMU_COUNTER, (long)name, (long)value, 0);
}

/* Have vmemu check its page tables, lists and counts: 0, or the run ends with status 70. */
static __inline__ long vmemu_check(void)
{
	return vmemu_call(VMEMU_CHECK, 0, 0, 0);
}

#endif
