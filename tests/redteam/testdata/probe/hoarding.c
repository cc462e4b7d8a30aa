#include "probe.h"

#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

// hold says what it has and by which error it got no more, and keeps it until its input ends.
static long hold(long got) {
	int error = errno;
	char c;
	printf("held: %ld by %s\n", got, error_name(error));
	while (read(0, &c, 1) > 0)
		;
	errno = error;
	return -1;
}

static void all_files(void) {
	struct rlimit l;
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

// last_as_long_as has the calling child die with its parent.
static void last_as_long_as(pid_t parent) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static long inotify(char **args) {
	(void)args;
	long n = 0;
	all_files();
	while (inotify_init1(0) >= 0)
		n++;
	return hold(n);
}

static long fanotify(char **args) {
	(void)args;
	long n = 0;
	all_files();
	while (fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY) >= 0)
		n++;
	return hold(n);
}

// terminals takes no more than it is told to: the host may have some use for its memory.
static long terminals(char **args) {
	long n = 0;
	all_files();
	while (n < atoi(args[1]) && open(args[0], O_RDWR | O_NOCTTY) >= 0)
		n++;
	return hold(n);
}

// hide sends descriptors into a socket that nobody reads, and closes them.
static void hide(int into, int *fds, int n) {
	char c = 0, control[CMSG_SPACE(sizeof(int) * 128)] = {0};
	struct iovec byte = {&c, 1};
	struct msghdr m = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&m);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(rights), fds, sizeof(int) * n);
	must(sendmsg(into, &m, 0), "hide");
	while (n > 0)
		must(close(fds[--n]), "close");
}

// hidden_terminals keeps them where no process has them open: in sockets that are in a socket.
static long hidden_terminals(char **args) {
	long n = 0, most = atoi(args[1]);
	int outer[2];
	all_files();
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, outer), "socketpair");
	for (int open_ = 1; open_;) {
		int inner[2], some[100], got = 0;
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, inner), "socketpair");
		while (got < 100 && n < most && (some[got] = open(args[0], O_RDWR | O_NOCTTY)) >= 0)
			got++, n++;
		int error = errno;
		open_ = got == 100 && n < most;
		if (got > 0)
			hide(inner[0], some, got);
		hide(outer[0], inner, 2);
		errno = error;
	}
	return hold(n);
}

// files has processes open files until no one can open any more, or there are no more processes.
static long files(char **args) {
	pid_t parent = getpid();
	all_files();
	for (int i = 0; i < atoi(args[0]); i++) {
		int said[2];
		must(pipe(said), "pipe");
		pid_t pid = fork();
		if (pid < 0)
			return hold(i);
		if (pid == 0) {
			last_as_long_as(parent);
			while (open("/dev/null", O_RDONLY) >= 0)
				;
			if (write(said[1], "x", 1) < 0)
				_exit(1);
			pause();
		}
		char c;
		close(said[1]);
		if (read(said[0], &c, 1) != 1) { // the kernel has killed it
			errno = ENOMEM;
			return hold(i);
		}
		close(said[0]);
	}
	errno = EMFILE;
	return hold(atoi(args[0]));
}

static long processes(char **args) {
	(void)args;
	long n = 0;
	pid_t parent = getpid();
	for (pid_t pid; (pid = fork()) >= 0; n++)
		if (pid == 0) {
			last_as_long_as(parent);
			for (;;)
				pause();
		}
	return hold(n);
}

// small_files makes files until it is refused.
static long small_files(char **args) {
	must(chdir(args[0]), args[0]);
	for (long n = 0;; n++) {
		char name[1500];
		snprintf(name, sizeof name, "%0190ld", n);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0 || write(fd, name, sizeof name) < 0) // small enough to lie with the inode
			return hold(n);
		close(fd);
	}
}

static long big_file(char **args) {
	static char block[1 << 20];
	int fd = must(open(args[0], O_CREAT | O_WRONLY, 0600), args[0]);
	memset(block, 'x', sizeof block);
	for (long n = 0;; n++)
		if (write(fd, block, sizeof block) < 0 || (n % 16 == 0 && fsync(fd) < 0))
			return hold(n);
}

// memory has children take memory, until the kernel kills one. The others keep theirs.
static long memory(char **args) {
	pid_t parent = getpid();
	for (long n = 0;; n++) {
		int said[2], status;
		must(pipe(said), "pipe");
		if (must(fork(), "fork") == 0) {
			size_t size = (size_t)atoi(args[0]) << 20;
			last_as_long_as(parent);
			char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p == MAP_FAILED)
				_exit(1);
			memset(p, 'x', size);
			if (write(said[1], "x", 1) < 0)
				_exit(1);
			pause();
		}
		char c;
		close(said[1]);
		int died = read(said[0], &c, 1) != 1; // the new one, or any other: the kernel chooses
		if (waitpid(-1, &status, died ? 0 : WNOHANG) <= 0)
			continue;
		errno = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? ENOMEM : EINVAL;
		return hold(n);
	}
}

// few takes a little of everything, as a program does that is left in peace.
static long few(char **args) {
	(void)args;
	for (int i = 0; i < 4; i++)
		if (inotify_init1(0) < 0 || open("/dev/ptmx", O_RDWR | O_NOCTTY) < 0 || socket(AF_INET, SOCK_DGRAM, 0) < 0)
			return -1;
	return inotify_add_watch(inotify_init1(0), "/", IN_CREATE);
}

const struct attempt hoarding_attempts[] = {
	{"few", 0, few}, {"inotify", 0, inotify}, {"fanotify", 0, fanotify}, {"terminals", 2, terminals}, {"hidden-terminals", 2, hidden_terminals}, {"files", 1, files}, {"processes", 0, processes},
	{"small-files", 1, small_files}, {"big-file", 1, big_file}, {"memory", 1, memory}, {0},
};
