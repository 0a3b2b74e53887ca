/* Rows about processes: fork, system calls, switches. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

static void do_getpid(u32 n)
{
	while (n--)
		getpid();
}

static void do_umask(u32 n)
{
	while (n--)
		syscall1(NR_umask, 022);
}

static void do_fork(u32 n)
{
	(void)n;
	if (must(fork(), "fork") == 0)
		exit(0);
}

static void reap(u32 n)
{
	(void)n;
	must(waitpid(-1, NULL, 0), "wait4");
}

static void do_fork_wait(u32 n)
{
	do_fork(n);
	reap(n);
}

/*
 * This program, executed anew, which ends at once. An emulator that leaves its guest's execve() to
 * the host is named by through=PATH: it is what is executed, and is told the program.
 */
static const char *self, *through;

static void executed(int argc, char **argv)
{
	if (argc == 2 && same(argv[1], "exit"))
		exit(0);
	self = argv[0];
	through = param_str(argc, argv, "through", NULL);
}

static void execute(void)
{
	const char *anew[] = { self, "exit", NULL }, *told[] = { through, self, "exit", NULL };
	const char *envp[] = { NULL };

	if (through)
		syscall3(NR_execve, through, told, envp);
	else
		syscall3(NR_execve, "/proc/self/exe", anew, envp);
	exit(1);
}

static void do_exec(u32 n)
{
	int status;

	while (n--) {
		if (must(fork(), "fork") == 0)
			execute();
		must(waitpid(-1, &status, 0), "wait4");
		if (status)
			die("bench: exec failed\n");
	}
}

/* A child that shares the pages until the parent has written them. */
static int held[2];

static void share(u32 n)
{
	char c;

	(void)n;
	must(pipe(held), "pipe");
	if (must(fork(), "fork") == 0) {
		close(held[1]);
		read(held[0], &c, 1);
		exit(0);
	}
	close(held[0]);
}

static void unshare(u32 n)
{
	close(held[1]);
	reap(n);
}

/*
 * Processes in a ring: each passes a byte on from the pipe before it to the pipe behind it. The
 * first of them is the one that is timed.
 */
enum { RING_MAX = 8 };
static u32 ring_size;
static int ring[RING_MAX][2];

static void pass_on(u32 from, u32 to)
{
	char c;

	if (read(ring[from][0], &c, 1) != 1)
		exit(0);
	must(write(ring[to][1], &c, 1), "write");
}

static void make_ring(u32 size)
{
	ring_size = size;
	for (u32 i = 0; i < size; i++)
		must(pipe(ring[i]), "pipe");
	for (u32 i = 1; i < size; i++) {
		if (must(fork(), "fork"))
			continue;
		for (u32 j = 0; j < size; j++) { /* or nobody would see the end of file */
			if (j != i - 1)
				close(ring[j][0]);
			if (j != i)
				close(ring[j][1]);
		}
		for (;;)
			pass_on(i - 1, i);
	}
	for (u32 i = 0; i < size; i++) {
		if (i != size - 1)
			close(ring[i][0]);
		if (i != 0)
			close(ring[i][1]);
	}
}

static void start_ring(u32 n)
{
	(void)n;
	make_ring(2);
}

static void start_ring_of_8(u32 n)
{
	(void)n;
	make_ring(8);
}

/* N rounds. */
static void do_ring(u32 n)
{
	char c = 0;

	while (n--) {
		must(write(ring[0][1], &c, 1), "write");
		must(read(ring[ring_size - 1][0], &c, 1), "read");
	}
}

static void stop_ring(void)
{
	if (!ring_size)
		return;
	close(ring[0][1]); /* each that sees the end of file closes the next pipe */
	for (u32 i = 1; i < ring_size; i++)
		reap(0);
}

#endif
