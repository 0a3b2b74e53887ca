/*
 * selfmod: code written, run, rewritten and run again, N times: from another page, from inside
 * the page that runs, and by a forked child whose parent must keep running the old code.
 */
#include "guest.h"

/* movl $value, %eax; ret */
static void emit(u8 *code, u32 value)
{
	code[0] = 0xb8;
	memcpy(code + 1, &value, 4);
	code[5] = 0xc3;
}

static u32 call(u8 *code)
{
	return ((u32(*)(void))code)();
}

/* A loop that increments the immediate of its own next instruction, 5 bytes further on. */
#ifdef __x86_64__
static const u8 self[] = {
	0x31, 0xd2,				 /*     xorl  %edx, %edx */
	0xe8, 0, 0, 0, 0,			 /*     call  1f */
	0x5b,					 /* 1:  popq  %rbx */
	0x83, 0x43, 0x06, 0x03,			 /* 2:  addl  $3, 6(%rbx): the immediate below */
	0xb8, 0, 0, 0, 0,			 /*     movl  $0, %eax */
	0x01, 0xc2,				 /*     addl  %eax, %edx */
	0xff, 0xc9,				 /*     decl  %ecx */
	0x75, 0xf1,				 /*     jnz   2b */
	0x89, 0xd0,				 /*     movl  %edx, %eax */
	0xc3,					 /*     ret */
};
#else
static const u8 self[] = {
	0x31, 0xd2,				 /*     xorl  %edx, %edx */
	0xe8, 0, 0, 0, 0,			 /*     call  1f */
	0x5b,					 /* 1:  popl  %ebx */
	0x83, 0x43, 0x06, 0x03,			 /* 2:  addl  $3, 6(%ebx): the immediate below */
	0xb8, 0, 0, 0, 0,			 /*     movl  $0, %eax */
	0x01, 0xc2,				 /*     addl  %eax, %edx */
	0x49,					 /*     decl  %ecx */
	0x75, 0xf2,				 /*     jnz   2b */
	0x89, 0xd0,				 /*     movl  %edx, %eax */
	0xc3,					 /*     ret */
};
#endif

static u32 run_self(u8 *code, u32 rounds)
{
	u32 ret;

	memcpy(code, self, sizeof(self));
	__asm__ volatile("call *%2" : "=a"(ret), "+c"(rounds) : "r"(code) : "ebx", "edx", "memory");
	return ret;
}

int main(int argc, char **argv)
{
	u32 n = param(argc, argv, "N", 10), outside = 0, child;
	u8 *code = map_pages(1);
	struct family f;

	family_init(&f);
	must(mprotect(code, PAGE_SIZE, PROT_RWX), "mprotect");
	for (u32 i = 1; i <= n; i++) {
		emit(code, i * i);
		outside += call(code);
	}
	say("selfmod: from outside %u, from inside %u\n", outside, run_self(code + 64, n));
	emit(code, 1);
	call(code);
	if (must(fork(), "fork") == 0) {
		emit(code, 2);
		child = call(code);
		child_wait(&f);
		child_exit(&f, child * 10 + call(code));
	}
	await_children(&f, 1);
	outside = call(code);
	emit(code, 3);
	outside = outside * 10 + call(code);
	release_children(&f, 1);
	say("selfmod: parent %u, child %u\n", outside, reap_children(&f, 1));
	munmap(code, PAGE_SIZE); /* the frame goes, another comes to the same place */
	must(mmap(code, PAGE_SIZE, PROT_RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), "mmap");
	emit(code, 7);
	say("selfmod: new page %u\n", call(code));
	return 0;
}
