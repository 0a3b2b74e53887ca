/* threads: what test_threads.py asks of threads, by number. */
#include "guest.h"
#include "thread.h"

enum { SIGKILL = 9, RUSAGE_THREAD = 1, WNOTHREAD = 0x20000000 };
#ifdef __x86_64__
enum { NR_gettid = 186, NR_tgkill = 234, NR_exit_group = 231, NR_select = 23 };
#else
enum { NR_gettid = 224, NR_tgkill = 270, NR_exit_group = 252, NR_select = 142 };
#endif

static volatile u32 tid[8], gate;

static void __attribute__((noreturn)) end(int status)
{
	for (;;)
		syscall1(NR_exit_group, status);
}

static long thread(void (*body)(void), u32 i)
{
	return clone_to(body, 4, CLONE_AS_THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
			&tid[i], NULL, &tid[i]);
}

static void join(u32 i)
{
	for (u32 seen; (seen = tid[i]) != 0;)
		futex(&tid[i], 0, seen, 0, NULL, 0);
}

static void sleep_for_ever(void)
{
	for (;;)
		sleep_ms(1000);
}

/* Write to new memory as long as there is some. */
static void eat(void)
{
	for (;;) {
		u8 *p = map_pages(64);

		for (u32 i = 0; i < 64; i++)
			p[i * PAGE_SIZE] = 1;
	}
}

static void out_of_memory(void)
{
	int status;

	if (must(fork(), "fork") == 0) {
		thread(sleep_for_ever, 0);
		thread(eat, 1);
		thread(sleep_for_ever, 2);
		sleep_for_ever();
	}
	must(waitpid(-1, &status, 0), "wait4");
	say("%x\n", (u32)status);
}

static void as_many_as_may_be(void)
{
	for (u32 i = 0; i < 2; i++)
		thread(sleep_for_ever, i);
	say("%d\n", (int)syscall5(NR_clone, SIGCHLD, 0, 0, 0, 0));
	end(0);
}

static void parent_of_one(void)
{
	int status = -1;

	if (must(fork(), "fork") == 0)
		exit(3);
	must(waitpid(-1, &status, WNOTHREAD), "wait4");
	say("its own %x\n", (u32)status);
	if (must(fork(), "fork") == 0)
		exit(4);
	gate = 2;
	while (gate != 3)
		sleep_ms(1);
	exit(0);
}

static void children_of_threads(void)
{
	int status = 0;
	long usage[18];

	thread(parent_of_one, 0);
	while (gate != 2)
		sleep_ms(1);
	say("not mine %d\n", (int)waitpid(-1, &status, WNOTHREAD | WNOHANG));
	gate = 3;
	join(0);
	say("mine now %d", (int)waitpid(-1, &status, WNOTHREAD) > 0);
	say(" %x, thread's use %d\n", (u32)status, (int)syscall2(NR_getrusage, RUSAGE_THREAD, usage));
	end(0);
}

/* A thread lends its memory to a child and is killed with its process while it waits. */
static void lend(void)
{
	if (syscall0(NR_vfork) == 0)
		for (;;)
			sleep_ms(1000);
}

static void killed_in_vfork(void)
{
	int status;
	long pid = must(fork(), "fork");

	if (!pid) {
		thread(lend, 0);
		sleep_for_ever();
	}
	sleep_ms(20);
	syscall2(NR_kill, pid, SIGKILL);
	must(waitpid(pid, &status, 0), "wait4");
	say("%x\n", (u32)status);
	end(0);
}

/* Sleep in select(), whose timeout lies in a page of its own. */
static void select_late(void)
{
	long *timeout = (long *)map_pages(1);

	timeout[0] = 1000;
	syscall5(NR_select, 0, 0, 0, 0, (long)timeout);
}

/* The page has gone to swap when its process, the largest, is killed for another that eats. */
static void killed_in_select(void)
{
	int status;
	long pid = must(fork(), "fork");

	if (!pid) {
		thread(select_late, 0);
		sleep_ms(1);
		for (u32 i = 0; i < 14; i++) {
			u8 *p = map_pages(64);

			for (u32 j = 0; j < 64; j++)
				p[j * PAGE_SIZE] = 1;
		}
		sleep_for_ever();
	}
	if (must(fork(), "fork") == 0) {
		sleep_ms(50);
		eat();
	}
	must(waitpid(pid, &status, 0), "wait4");
	say("%x\n", (u32)status);
	end(0);
}

int main(int argc, char **argv)
{
	static void (*const what[])(void) = { out_of_memory, as_many_as_may_be, children_of_threads,
					      killed_in_vfork, killed_in_select };

	what[param(argc, argv, "WHAT", 0)]();
	return 0;
}
