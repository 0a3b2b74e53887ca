/* permits: what files refuse to whom: users, groups and capabilities drawn from a seed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned state;

static unsigned draw(unsigned n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 16) % n;
}

static int protects;

static const int ids[] = { 0, 1234, 1234, 1235, 70000 };
static const char *const names[] = { "d", "d/f", "d/g", "d/e", "d/s", "d/l", "d/new", "e", "e/f", "e/new", "f",
				     "d/e/x", "new", "d/p", "f/x", "d/k" };

static int id(void)
{
	return ids[draw(5)];
}

static const char *name(void)
{
	return names[draw(16)];
}

static int drawn_mode(void)
{
	static const int modes[] = { 0777, 0700, 0070, 0007, 0755, 0750, 0711, 0444, 0222, 0111, 0500, 0 };
	static const int more[] = { 0, 0, 0, 01000, 01000, 02000, 04000, 06000 };

	int mode = modes[draw(12)], extra = more[draw(8)];

	/* What others put into sticky directories, some hosts protect from being used. */
	if (protects && extra == 01000 && mode & 022)
		extra = 0;
	return mode | extra;
}

static void dress(const char *path)
{
	int mode = drawn_mode();

	if (lchown(path, id(), id()))
		perror(path);
	chmod(path, mode);
}

static void file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	write(fd, "#!/no/such/program\n", 19);
	close(fd);
	dress(path);
}

static int removed(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return at->level ? remove(path) : 0;
}

static int is_bound;

static void prepare(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "d/k" };
	int s;

	mkdir("d", 0777);
	mkdir("d/e", 0777);
	mkdir("e", 0777);
	file("f");
	file("d/f");
	file("d/g");
	file("e/f");
	file("d/e/x");
	symlink("f", "d/s");
	lchown("d/s", id(), id());
	symlink("../e/f", "d/l");
	mkfifo("d/p", 0600);
	dress("d/p");
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	is_bound = !bind(s, (void *)&a, sizeof(a)) && !listen(s, 5);
	close(s);
	dress("d/k");
	dress("d/e");
	dress("d");
	dress("e");
}

static const char *error(long result)
{
	return result < 0 ? strerrorname_np(errno) : "0";
}

static void said(const char *call, const char *a, const char *b, long n, long result)
{
	printf("  %s %s %s %lo: %s\n", call, a, b, n, error(result));
}

static void opened(const char *path, int flags, int mode)
{
	int fd = open(path, flags | O_NONBLOCK, mode);

	said("open", path, "", flags, fd);
	if (fd >= 0 && flags & 3)
		write(fd, "#!/no/such/program\n", 19);
	close(fd);
}

static void connected(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	said("connect", path, "", 0, connect(s, (void *)&a, sizeof(a)));
	close(s);
}

static void bound(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	said("bind", path, "", 0, bind(s, (void *)&a, sizeof(a)));
	close(s);
}

static void act(void)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_CREAT,
				     O_RDWR | O_CREAT | O_EXCL, O_PATH, O_RDONLY | O_DIRECTORY, O_RDWR | O_TMPFILE,
				     O_RDONLY | O_NOATIME, O_WRONLY | O_TRUNC, O_RDONLY | O_NOFOLLOW };
	static const struct timeval long_ago[2] = { { 5, 0 }, { 6, 0 } };
	const char *a = name(), *b = name();
	int mode = draw(8), flag = flags[draw(12)], u = draw(2) ? -1 : id(), g = draw(2) ? -1 : id();
	int modes = drawn_mode();
	char *argv[] = { (char *)a, NULL };
	struct stat st;

	switch (draw(22)) {
	case 0: case 1: case 2: opened(a, flag, 0640); break;
	case 3: said("access", a, "", mode, access(a, mode)); break;
	case 4: said("faccessat2", a, "", mode, syscall(439, AT_FDCWD, a, mode, AT_EACCESS)); break;
	case 5: said("unlink", a, "", 0, unlink(a)); break;
	case 6: said("rmdir", a, "", 0, rmdir(a)); break;
	case 7: said("mkdir", a, "", modes, mkdir(a, modes)); break;
	case 8: said("link", a, b, 0, linkat(AT_FDCWD, a, AT_FDCWD, b, 0)); break;
	case 9: said("symlink", "f", a, 0, symlink("f", a)); break;
	case 10: case 11: said("rename", a, b, 0, rename(a, b)); break;
	case 12: said("exchange", a, b, 0, renameat2(AT_FDCWD, a, AT_FDCWD, b, draw(2) ? 2 : 1)); break;
	case 13: said("chmod", a, "", modes, chmod(a, modes)); break;
	case 14:
		said("chown", a, "", 0, fchownat(AT_FDCWD, a, u, g, draw(2) ? AT_SYMLINK_NOFOLLOW : 0));
		break;
	case 15: said("utimes", a, "", 0, utimes(a, draw(2) ? long_ago : NULL)); break;
	case 16: said("truncate", a, "", 0, truncate(a, 19)); break;
	case 17: said("mknod", a, "", 0, mknod(a, (draw(2) ? S_IFIFO : S_IFREG) | modes, 0)); break;
	case 18:
		said("execve", a, "", 0, execve(a, argv, argv));
		break;
	case 19:
		said("stat", a, "", 0, stat(a, &st));
		said("readlink", a, "", 0, readlink(a, (char *)&st, 9) < 0 ? -1 : 0);
		break;
	case 20:
		if (is_bound && draw(2))
			connected(a);
		else
			bound(a);
		break;
	default:
		if (!fork()) {
			said("chdir", a, "", 0, chdir(a));
			said("open", ".", "", 0, open(".", O_RDONLY));
			said("open", "..", "", 0, open("..", O_RDONLY));
			said("chroot", ".", "", 0, chroot("."));
			fflush(stdout);
			_exit(0);
		}
		wait(NULL);
	}
	fflush(stdout);
}

/* Somebody: ids, other groups, capabilities as they are then or less. */
static void become(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	int groups[2] = { id(), id() }, uid = id(), real = id(), caps = draw(4), gid = id();

	syscall(SYS_setgroups, draw(3), groups);
	if (caps == 3)
		prctl(PR_SET_KEEPCAPS, 1);
	syscall(SYS_setresgid, id(), gid, gid);
	syscall(SYS_setresuid, caps ? uid : real, uid, uid);
	syscall(SYS_capget, &header, data);
	if (caps > 1) {
		/* some of CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID */
		data[0].effective = data[0].permitted & draw(32);
		data[1].effective = 0;
		syscall(SYS_capset, &header, data);
	}
	printf(" user %d %d, group %d, groups %d %d, caps %x\n", getuid(), geteuid(), getegid(), groups[0],
	       groups[1], data[0].effective & 31);
}

static void shown(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		printf("  %s: %s\n", path, strerrorname_np(errno));
	else
		printf("  %s: %o %d %d\n", path, st.st_mode, st.st_uid, st.st_gid);
}

int main(int argc, char **argv)
{
	int i, rounds = atoi(argv[2]), fd = open("/proc/sys/fs/protected_hardlinks", O_WRONLY);
	unsigned n;

	protects = atoi(argv[3]);
	if (argc > 4 && write(fd, argv[4], 1) != 1)
		return 1;
	close(fd);
	if (mkdir(argv[1], 0755) || chdir(argv[1]))
		return 1;
	umask(0);
	for (i = 0; i < rounds; i++) {
		state = i * 7919 + 1;
		printf("%d\n", i);
		umask(0);
		prepare();
		umask(draw(2) ? 0 : 022);
		fflush(stdout);
		if (!fork()) {
			become();
			for (n = 0; n < 40; n++)
				act();
			fflush(stdout);
			_exit(0);
		}
		wait(NULL);
		for (n = 0; n < sizeof(names) / sizeof(*names); n++)
			shown(names[n]);
		fflush(stdout);
		nftw(".", removed, 9, FTW_DEPTH | FTW_PHYS);
	}
	return 0;
}
