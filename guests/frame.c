/* frame: (i386) what a handler finds in its frame and flags, and what it can do to them. */
#include "guest.h"

enum { SIGUSR1 = 10 };
enum { GS, FS, ES, DS, TRAPNO = 12, ERR, CS = 15, EFLAGS, SS = 18, DF = 0x400 };

static u8 *page;
static u32 flags, new_value;
static int field;

static void on_fault(int sig UNUSED, struct siginfo *info, struct ucontext *uc)
{
	say("code %d, trap %u, err %u\n", info->si_code,
	    (u32)uc->gregs[TRAPNO], (u32)uc->gregs[ERR]);
	mprotect(page, PAGE_SIZE, PROT_RW);
}

static void on_usr1(int sig UNUSED, struct siginfo *info UNUSED, struct ucontext *uc)
{
	__asm__ volatile("pushfl\n\tpopl %0" : "=r"(flags));
	if (field >= 0)
		uc->gregs[field] = new_value;
}

static void raise_usr1(void)
{
	must(syscall2(NR_kill, getpid(), SIGUSR1), "kill");
}

/* How a child ends whose handler changes one saved register. */
static void change(const char *what, int which, u32 value)
{
	int status;

	if (must(fork(), "fork") == 0) {
		field = which, new_value = value;
		raise_usr1();
		exit(3);
	}
	must(waitpid(-1, &status, 0), "wait4");
	say("%s: %x\n", what, status & 0xff7f);
}

int main(int argc UNUSED, char **argv UNUSED)
{
	u32 ds, cs;

	on_signal(SIGSEGV, on_fault);
	on_signal(SIGUSR1, on_usr1);
	field = -1;
	page = map_pages(1);
	mprotect(page, PAGE_SIZE, PROT_NONE);
	say("read without rights, never touched: ");
	(void)*(volatile u8 *)page;
	*(volatile u8 *)page = 1;
	mprotect(page, PAGE_SIZE, PROT_NONE);
	say("read without rights, present: ");
	(void)*(volatile u8 *)page;
	mprotect(page, PAGE_SIZE, PROT_READ);
	say("write to read-only, present: ");
	*(volatile u8 *)page = 1;
	page = map_pages(1);
	mprotect(page, PAGE_SIZE, PROT_READ);
	say("write to read-only, never touched: ");
	*(volatile u8 *)page = 1;

	__asm__ volatile("std\n\tint $0x80\n\tcld"
			 : "=a"(cs) : "0"(NR_kill), "b"(getpid()), "c"(SIGUSR1) : "memory");
	say("direction flag in a handler: %d\n", (flags & DF) != 0);

	__asm__ volatile("movl %%ds, %0\n\tmovl %%cs, %1" : "=r"(ds), "=r"(cs));
	on_signal(SIGSEGV, (void *)0);
	change("a null gs", GS, 0);
	change("the data segment in fs", FS, ds);
	change("the code segment in gs", GS, cs);
	change("a null ds", DS, 0);
	change("an impossible cs", CS, 0x1234);
	change("the data segment as cs", CS, ds);
	change("an impossible ss", SS, 0x1234);
	change("the code segment as ss", SS, cs);
	change("flags of the kernel's", EFLAGS, 0x202 | 0x4000 | 0x20000 | 0x3000);
	change("single step", EFLAGS, 0x302);
	return 0;
}
