/* segments: (i386) thread-local segments: set, set again while loaded, and given to a child by clone. */
#include "guest.h"

enum { NR_set_thread_area = 243, NR_get_thread_area = 244 };
enum { CLONE_SETTLS = 0x80000 };

struct user_desc {
	u32 entry, base, limit, flags;
};

static u32 word_a = 0xaaaa, word_b = 0xbbbb;

static struct user_desc segment(int entry, u32 *base)
{
	return (struct user_desc){ entry, (u32)base, 0xfffff, 0x51 }; /* 32 bits, pages, useable */
}

static u32 through_gs(void)
{
	u32 value;

	__asm__ volatile("movl %%gs:0, %0" : "=r"(value));
	return value;
}

int main(int argc UNUSED, char **argv UNUSED)
{
	struct user_desc a = segment(-1, &word_a), b, odd = segment(77, &word_b), none = { 0 };
	int status;

	must(syscall1(NR_set_thread_area, &a), "set_thread_area");
	__asm__ volatile("movl %0, %%gs" : : "r"(a.entry * 8 + 3));
	say("set: %x\n", through_gs());
	b = segment(a.entry, &word_b);
	must(syscall1(NR_set_thread_area, &b), "set_thread_area");
	say("set while gs holds it: %x\n", through_gs());
	must(syscall1(NR_set_thread_area, &a), "set_thread_area");

	if (must(syscall5(NR_clone, SIGCHLD | CLONE_SETTLS, 0, 0, (long)&b, 0), "clone") == 0) {
		say("child of clone: %x\n", through_gs());
		sleep_ms(1);
		say("it slept: %x\n", through_gs());
		exit(0);
	}
	must(waitpid(-1, &status, 0), "wait4");
	say("parent: %x\n", through_gs());
	if (must(fork(), "fork") == 0) {
		say("child of fork: %x\n", through_gs());
		must(syscall1(NR_set_thread_area, &b), "set_thread_area");
		say("its own: %x\n", through_gs());
		exit(0);
	}
	must(waitpid(-1, &status, 0), "wait4");
	say("parent: %x\n", through_gs());
	b.entry = a.entry;
	must(syscall1(NR_get_thread_area, &b), "get_thread_area");
	say("get: base %d limit %d\n", b.base == a.base, b.limit == a.limit);
	say("no such entry: %d %d %d\n", (int)syscall1(NR_set_thread_area, &odd),
	    (int)syscall1(NR_get_thread_area, &odd), (int)syscall1(NR_get_thread_area, &none));
	say("bad address: %d %d %d\n", (int)syscall1(NR_set_thread_area, 16),
	    (int)syscall1(NR_get_thread_area, 16),
	    (int)syscall5(NR_clone, SIGCHLD | CLONE_SETTLS, 0, 0, 16, 0));
	return 0;
}
