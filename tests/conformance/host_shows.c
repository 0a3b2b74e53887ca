/*
 * host_shows: writes down, in one run, everything by which user code might learn of the machine
 * that it runs on: what is in the registers, on the stack and in fresh memory when it starts, what
 * the instructions that ask the processor say, and what the kernel tells of itself and of time.
 */
#include "guest.h"

enum { NR_open_ = 5, NR_getppid = 64, NR_sysinfo = 116, NR_getrusage_ = 77, NR_time = 13 };
enum { NR_clock_getres = 266, NR_readlink_ = 85 };
enum { NR_getitimer = 105, NR_sched_getaffinity = 242, NR_getdents = 141, NR_getcwd = 183 };

static u8 buffer[16384];

static void dump(const char *what, const void *data, u32 size)
{
	const u8 *p = data;
	char two[3] = { 0 };
	u32 i;

	say("%s ", what);
	for (i = 0; i < size; i++) {
		two[0] = "0123456789abcdef"[p[i] >> 4];
		two[1] = "0123456789abcdef"[p[i] & 15];
		say("%s", two);
	}
	say("\n");
}

static void ask_cpuid(u32 leaf, u32 subleaf)
{
	u32 r[4];

	__asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(subleaf));
	say("cpuid %x %x:", leaf, subleaf);
	dump("", r, sizeof(r));
}

static void ask_tables(void)
{
	u8 gdt[6] = { 0 }, idt[6] = { 0 };
	u32 ldt = 0, tr = 0, msw = 0;

	__asm__ volatile("sgdt %0" : "=m"(gdt));
	__asm__ volatile("sidt %0" : "=m"(idt));
	__asm__ volatile("sldt %0" : "=r"(ldt));
	__asm__ volatile("str %0" : "=r"(tr));
	__asm__ volatile("smsw %0" : "=r"(msw));
	dump("sgdt", gdt, 6);
	dump("sidt", idt, 6);
	say("sldt %x str %x smsw %x\n", ldt & 0xffff, tr & 0xffff, msw);
}

static void ask_segments(void)
{
	static const u32 selectors[] = { 0x73, 0x7b, 0x33, 0x3b, 0x80, 0x88, 0x60, 0 };
	u32 i, rights, limit;

	for (i = 0; i < 8; i++) {
		rights = limit = 0;
		__asm__ volatile("lar %1, %0\n\t" : "+r"(rights) : "r"(selectors[i]));
		__asm__ volatile("lsl %1, %0\n\t" : "+r"(limit) : "r"(selectors[i]));
		say("selector %x rights %x limit %x\n", selectors[i], rights, limit);
	}
}

static void ask_floats(void)
{
	static u8 image[512] __attribute__((aligned(16)));

	__asm__ volatile("fnsave (%0)\n\tfrstor (%0)" : : "r"(image) : "memory");
	dump("fnsave", image, 108);
	__asm__ volatile("fxsave (%0)" : : "r"(image) : "memory");
	dump("fxsave", image, 512);
}

static void ask_time(void)
{
	u32 low, high, aux, clock, i;
	u32 values[20];

	for (i = 0; i < 3; i++) {
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
		say("rdtsc %x %x\n", high, low);
	}
	__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
	say("rdtscp %x %x %x\n", high, low, aux);
	for (clock = 0; clock < 12; clock++) {
		memset(values, 0, sizeof(values));
		say("clock %u: %d", clock, (int)syscall2(NR_clock_gettime, clock, values));
		dump("", values, 8);
		say("its resolution: %d", (int)syscall2(NR_clock_getres, clock, values));
		dump("", values, 8);
	}
	say("time %x\n", (u32)syscall1(NR_time, 0));
	say("times %x", (u32)syscall1(NR_times, values));
	dump("", values, 16);
	memset(values, 0, sizeof(values));
	syscall2(NR_getrusage_, 0, values);
	dump("getrusage", values, 72);
}

static void ask_kernel(void)
{
	memset(buffer, 0, 512);
	say("uname %d", (int)syscall1(NR_uname, buffer));
	dump("", buffer, 390);
	memset(buffer, 0, 512);
	say("sysinfo %d", (int)syscall1(NR_sysinfo, buffer));
	dump("", buffer, 64);
	memset(buffer, 0, 64);
	say("getrandom %d", (int)syscall3(NR_getrandom, buffer, 32, 0));
	dump("", buffer, 32);
	say("getcwd %d %s\n", (int)syscall2(NR_getcwd, buffer, 100), (char *)buffer);
	say("affinity %d\n", (int)syscall3(NR_sched_getaffinity, 0, 100, buffer));
	say("pid %d ppid %d\n", (int)syscall0(NR_getpid), (int)syscall0(NR_getppid));
}

static void show(const char *path)
{
	long fd = syscall3(NR_open_, path, 0, 0), n;

	say("%s: %d\n", path, (int)fd);
	if (fd < 0)
		return;
	while ((n = read((int)fd, buffer, sizeof(buffer) - 1)) > 0) {
		buffer[n] = 0;
		write(1, buffer, (u32)n);
	}
	syscall1(NR_close, fd);
}

static void show_files(void)
{
	static const char *const paths[] = {
		"/proc/cpuinfo", "/proc/meminfo", "/proc/uptime", "/proc/version", "/proc/stat",
		"/proc/loadavg", "/proc/vmstat", "/proc/slabinfo", "/proc/swaps", "/proc/buddyinfo",
		"/proc/filesystems", "/proc/mounts", "/proc/interrupts", "/proc/kcore", "/etc/passwd",
		"/dev/kmsg", "/sys", "/proc/self/status", "/proc/self/stat", "/proc/self/statm",
		"/proc/self/maps", "/proc/self/cmdline", "/proc/self/auxv", "/proc/self/comm",
		"/proc/self/environ", "/proc/self/wchan", "/proc/1/status", "/proc/sys/kernel/osrelease",
		"/proc/sys/kernel/hostname", "/proc/sys/kernel/random/boot_id",
	};
	u32 i;

	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		show(paths[i]);
}

int main(int argc, char **argv)
{
	u32 leaf;

	/* The stack from argc to its end: strings, environment, auxv, AT_RANDOM's bytes. */
	dump("stack", argv - 1, 0xbffffffc - (u32)(argv - 1));
	say("argc %d\n", argc);
	dump("memory", map_pages(1), 4096);
	dump("bss", buffer, sizeof(buffer));
	for (leaf = 0; leaf < 0x20; leaf++) {
		ask_cpuid(leaf, 0);
		ask_cpuid(leaf, 1);
	}
	for (leaf = 0x80000000; leaf < 0x80000020; leaf++)
		ask_cpuid(leaf, 0);
	ask_cpuid(0x40000000, 0);
	ask_tables();
	ask_segments();
	ask_floats();
	ask_time();
	ask_kernel();
	show_files();
	return 0;
}
