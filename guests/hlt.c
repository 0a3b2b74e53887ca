/* hlt: a bad guest: executes a privileged instruction in ring 3; #GP, dies of SIGSEGV. */
#include "guest.h"

int main(int argc, char **argv)
{
	ulong UNUSED cr3;
	const char *insn = param_str(argc, argv, "INSN", "hlt");

	say("hlt: executing %s\n", insn);
	if (same(insn, "cli"))
		__asm__ volatile("cli");
	else if (same(insn, "in"))
		__asm__ volatile("inb $0x60, %%al" : : : "eax");
	else if (same(insn, "cr3"))
		__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	else if (same(insn, "int"))
		__asm__ volatile("int $0x42");
	else
		__asm__ volatile("hlt");
	say("hlt: survived\n");
	return 1;
}
