/* stopped: children that stop, go on and die, as wait4 tells of them. */
#include "guest.h"

enum { WUNTRACED = 2, WCONTINUED = 8 };
enum { SIGKILL = 9, SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20 };

static int sleeper(void)
{
	int pid = must(fork(), "fork");

	if (pid == 0)
		for (;;)
			sleep_ms(1000);
	return pid;
}

static void await(const char *what, int pid, int options)
{
	int status = 0;
	long got = waitpid(pid, &status, options);

	say("%s: %d %x\n", what, got > 0 ? 1 : (int)got, status);
}

static void signal_to(int pid, int sig)
{
	must(syscall2(NR_kill, pid, sig), "kill");
	sleep_ms(20);
}

int main(int argc UNUSED, char **argv UNUSED)
{
	int pid = sleeper();

	signal_to(pid, SIGSTOP);
	await("without WUNTRACED", -1, WNOHANG);
	await("stopped", pid, WUNTRACED);
	await("told once", pid, WUNTRACED | WNOHANG);
	signal_to(pid, SIGCONT);
	await("without WCONTINUED", pid, WUNTRACED | WNOHANG);
	await("continued", -1, WCONTINUED);
	await("told once", -1, WCONTINUED | WNOHANG);
	signal_to(pid, SIGSTOP);
	signal_to(pid, SIGCONT);
	await("the stop is past", pid, WUNTRACED | WNOHANG);
	signal_to(pid, SIGSTOP);
	await("stopped again", pid, WUNTRACED | WCONTINUED);
	signal_to(pid, SIGTERM);
	await("SIGTERM waits", pid, WNOHANG);
	signal_to(pid, SIGCONT);
	await("until it goes on", pid, 0);
	pid = must(fork(), "fork");
	if (pid == 0) {
		syscall2(NR_setpgid, 0, 0); /* in an orphaned group SIGTSTP would do nothing */
		signal_to(getpid(), SIGTSTP);
		exit(4);
	}
	await("by itself", -1, WUNTRACED);
	signal_to(pid, SIGKILL);
	await("SIGKILL does not wait", pid, WUNTRACED);
	await("no child", -1, WCONTINUED);
	await("an unknown option", -1, 0x100);
	return 0;
}
