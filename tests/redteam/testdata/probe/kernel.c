#include "probe.h"

#include <ftw.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/xattr.h>

static long bpf(char **args) {
	(void)args;
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a);
}

static long perf(char **args) {
	(void)args;
	struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
	return syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

static long io_uring(char **args) {
	(void)args;
	char params[120] = {0};
	return syscall(SYS_io_uring_setup, 4, params);
}

static long user_fault(char **args) {
	(void)args;
	return syscall(SYS_userfaultfd, O_CLOEXEC | 1);
}

static long module(char **args) {
	(void)args;
	return syscall(SYS_init_module, "\177ELF", 4, "");
}

static long kexec(char **args) {
	(void)args;
	return syscall(SYS_kexec_load, 0, 0, 0, 0);
}

static long kernel_log(char **args) {
	(void)args;
	char line[100];
	return syscall(SYS_syslog, 3, line, sizeof line);
}

static long clock_back(char **args) {
	(void)args;
	struct { int64_t s, ns; } past = {-1, 0}; // refused as invalid where it is permitted: the clock stays as it is
	return syscall(SYS_clock_settime, 0, &past);
}

static long accounting(char **args) { return syscall(SYS_acct, args[0]); }

static long swap(char **args) { return syscall(SYS_swapon, args[0], 0); }

static long open_socket(char **args) {
	return socket(atoi(args[0]), atoi(args[1]), atoi(args[2]));
}

// wide_socket sets a bit that the kernel cuts off, for a filter that compares all 64.
static long wide_socket(char **args) { return syscall(SYS_socket, (uint64_t)1 << 32 | atoi(args[0]), atoi(args[1]), 0); }

static long add_key(char **args) { return syscall(SYS_add_key, "user", args[0], "planted", 7, -4 /* the user's keyring */); }

static long find_key(char **args) { return syscall(SYS_keyctl, 10, -4, "user", args[0], 0); }

// Through the 32-bit entry call 286 is add_key; through x32 it has bit 30.
static void no_entry(int signal) {
	(void)signal;
	printf("int80: no such entry\n");
	fflush(stdout);
	_exit(1);
}

static long int80(char **args) {
	(void)args;
	long r;
	signal(SIGSEGV, no_entry); // the kernel was told to have none
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(286), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory");
	errno = -r;
	return r < 0 ? -1 : r;
}

static long x32(char **args) {
	(void)args;
	return syscall(SYS_add_key | 0x40000000, 0, 0, 0, 0, 0);
}

static long unshare_all(char **args) { return unshare(strtol(args[0], NULL, 16)); }

static long clone_user(char **args) {
	(void)args;
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return pid;
}

static long trace(char **args) { return ptrace(PTRACE_ATTACH, atoi(args[0]), 0, 0); }

static long signal_pid(char **args) { return kill(atoi(args[0]), atoi(args[1])); }

static long mount_type(char **args) { return mount("x", args[1], args[0], 0, NULL); }

static long realtime(char **args) {
	(void)args;
	struct sched_param p = {.sched_priority = 1};
	return sched_setscheduler(0, SCHED_FIFO, &p);
}

static long nicer(char **args) {
	(void)args;
	return setpriority(PRIO_PROCESS, 0, -20);
}

static int open_for_writing(const char *path, const struct stat *s, int type, struct FTW *w) {
	(void)s, (void)w;
	int fd = type == FTW_F ? open(path, O_WRONLY | O_NONBLOCK) : -1;
	if (fd >= 0)
		printf("%s\n", path);
	return fd >= 0 && close(fd);
}

// writable lists the files that it can open for writing.
static long writable(char **args) { return nftw(args[0], open_for_writing, 50, FTW_PHYS); }

// say writes to a descriptor that another process has, so many times.
static long say(char **args) {
	int process = must(syscall(SYS_pidfd_open, atoi(args[0]), 0), "pidfd_open");
	int fd = must(syscall(SYS_pidfd_getfd, process, atoi(args[1]), 0), "pidfd_getfd");
	for (int i = 0; i < atoi(args[3]); i++)
		dprintf(fd, "%s\n", args[2]);
	return 0;
}

static long type_in(char **args) {
	int terminal = must(open(args[0], O_RDWR | O_NOCTTY), args[0]);
	return ioctl(terminal, 0x5412 /* TIOCSTI */, "x");
}

// core lowers the one limit that keeps a crash from starting the host's core_pattern program.
static long core(char **args) {
	struct rlimit l = {atoi(args[0]), atoi(args[0])}, now;
	long asked = setrlimit(RLIMIT_CORE, &l);
	must(getrlimit(RLIMIT_CORE, &now), "getrlimit");
	printf("limit: %ld\n", (long)now.rlim_cur);
	return asked;
}

// capable gives a file CAP_CHOWN (struct vfs_cap_data, revision 2).
static long capable(char **args) {
	uint32_t caps[5] = {0x02000001, 1, 0, 0, 0};
	return setxattr(args[0], "security.capability", caps, sizeof caps, 0);
}

static long privileges(char **args) {
	(void)args;
	char line[200];
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long caps = -1;
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "CapEff: %llx", &caps);
	printf("uid %d, capabilities %llx\n", geteuid(), caps);
	return 0;
}

// climb opens the directory above one that it has, again and again.
static long climb(char **args) {
	int dir = must(open(args[0], O_RDONLY | O_DIRECTORY), args[0]);
	for (int i = 0; i < 40; i++) {
		int up = openat(dir, "..", O_RDONLY | O_DIRECTORY);
		if (up < 0)
			return -1;
		close(dir);
		dir = up;
	}
	return faccessat(dir, args[1], F_OK, 0);
}

const struct attempt kernel_attempts[] = {
	{"bpf", 0, bpf}, {"perf", 0, perf}, {"io_uring", 0, io_uring}, {"userfaultfd", 0, user_fault}, {"module", 0, module},
	{"kexec", 0, kexec}, {"syslog", 0, kernel_log}, {"clock", 0, clock_back}, {"acct", 1, accounting}, {"swapon", 1, swap},
	{"socket", 3, open_socket}, {"wide-socket", 2, wide_socket}, {"add_key", 1, add_key}, {"find_key", 1, find_key},
	{"int80", 0, int80}, {"x32", 0, x32}, {"unshare", 1, unshare_all}, {"clone", 0, clone_user}, {"ptrace", 1, trace},
	{"kill", 2, signal_pid}, {"tiocsti", 1, type_in}, {"core", 1, core}, {"climb", 2, climb}, {"capable", 1, capable}, {"privileges", 0, privileges}, {"mount", 2, mount_type}, {"realtime", 0, realtime}, {"nice", 0, nicer},
	{"writable", 1, writable}, {"say", 4, say}, {0},
};
