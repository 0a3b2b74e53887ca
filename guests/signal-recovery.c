/* signal-recovery: bad accesses become signals; handlers say why, repair, and the guest goes on. */
#include "guest.h"

static u8 *area;
static volatile int last_sig, last_code;
static volatile ulong last_addr;
static volatile int child_pid;

static void note(int sig, struct siginfo *info)
{
	last_sig = sig;
	last_code = info->si_code;
	last_addr = info->si_addr;
}

/* Repair by making the page accessible and running the instruction again. */
static void unprotect(int sig, struct siginfo *info, struct ucontext *uc)
{
	(void)uc;
	note(sig, info);
	must(mprotect(area, PAGE_SIZE, PROT_RW), "mprotect");
}

/* Repair by going past the instruction, which is two bytes long. */
static void skip(int sig, struct siginfo *info, struct ucontext *uc)
{
	note(sig, info);
	uc->gregs[REG_IP] += 2;
}

static void on_child(int sig, struct siginfo *info, struct ucontext *uc)
{
	(void)uc;
	note(sig, info);
	last_addr = info->si_pid == child_pid && info->si_status == 7;
}

static void report(const char *what, int right_addr)
{
	say("signal-recovery: %s: signal %d code %d, %s\n", what, last_sig, last_code,
	    right_addr ? "ok" : "wrong address");
	last_sig = last_code = last_addr = 0;
}

int main(int argc, char **argv)
{
	ulong here;
	u32 value;
	int go[2], status = 0;

	(void)argc, (void)argv;
	area = map_pages(1);
	area[5] = 1;
	on_signal(SIGSEGV, unprotect);
	must(mprotect(area, PAGE_SIZE, PROT_NONE), "mprotect");
	value = ((volatile u8 *)area)[5];
	report("read of PROT_NONE", last_addr == (ulong)area + 5 && value == 1);
	must(mprotect(area, PAGE_SIZE, PROT_READ), "mprotect");
	((volatile u8 *)area)[6] = 2;
	report("write to read-only", last_addr == (ulong)area + 6 && area[6] == 2);

	on_signal(SIGSEGV, skip);
	__asm__ volatile("movl (%1), %0" : "=a"(value) : "c"(8ul), "0"(42)); /* 2 bytes */
	report("read of nothing", last_addr == 8 && value == 42);
	on_signal(SIGFPE, skip);
	__asm__ volatile("mov $1f, %0\n1:\tdivl %%ecx" : "=&S"(here) : "a"(1), "d"(0), "c"(0));
	report("division by zero", last_addr == here);
	on_signal(SIGILL, skip);
	__asm__ volatile("mov $1f, %0\n1:\tud2" : "=r"(here));
	report("ud2", last_addr == here);

	on_signal(SIGCHLD, on_child);
	must(pipe(go), "pipe");
	child_pid = must(fork(), "fork");
	if (child_pid == 0) {
		read(go[0], &value, 1); /* until the parent knows our pid */
		exit(7);
	}
	write(go[1], &value, 1);
	while (waitpid(child_pid, &status, 0) == -EINTR)
		;
	report("child exit", last_addr && status == 0x700);
	return 0;
}
