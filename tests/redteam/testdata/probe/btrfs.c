#include "probe.h"

#include <linux/btrfs.h>
#include <sys/mman.h>

static int directory(const char *path) { return must(open(path, O_RDONLY | O_DIRECTORY), path); }

static long print_file(int dir, const char *name) {
	char text[200];
	int fd = openat(dir, name, O_RDONLY);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof text - 1);
	if (n < 0)
		return -1;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	printf("read: %s\n", text);
	return 0;
}

// handle opens the top directory of another subvolume of the same filesystem by a handle that it makes itself, and reads a file there.
// struct btrfs_fid (fs/btrfs/export.h): inode 256, the subvolume's id, and generation 0, which the kernel does not check.
static long by_handle(char **args) {
	struct {
		struct file_handle head;
		uint32_t words[5];
	} h = {{20, 0x4d}, {256, 0, atoi(args[1]), 0, 0}};
	int dir = syscall(SYS_open_by_handle_at, directory(args[0]), &h, O_RDONLY | O_DIRECTORY);
	return dir < 0 ? -1 : print_file(dir, args[2]);
}

// search lists what the tree of another subvolume holds.
static long search(char **args) {
	struct btrfs_ioctl_search_args s = {.key = {
		.tree_id = atoi(args[1]), .max_objectid = -1, .max_offset = -1, .max_transid = -1, .max_type = -1, .nr_items = 100}};
	if (ioctl(directory(args[0]), BTRFS_IOC_TREE_SEARCH, &s) < 0)
		return -1;
	printf("items: %s\n", s.key.nr_items ? "some" : "none");
	return 0;
}

// lookup asks for the name of an inode of another subvolume.
static long lookup(char **args) {
	struct btrfs_ioctl_ino_lookup_args l = {.treeid = atoi(args[1]), .objectid = 257};
	if (ioctl(directory(args[0]), BTRFS_IOC_INO_LOOKUP, &l) < 0)
		return -1;
	printf("name: %s\n", l.name);
	return 0;
}

static long volume(int dir, unsigned long request, const char *name, int source) {
	struct btrfs_ioctl_vol_args v = {.fd = source};
	strncpy(v.name, name, sizeof v.name - 1);
	return ioctl(dir, request, &v);
}

static long make_subvolume(char **args) { return volume(directory(args[0]), BTRFS_IOC_SUBVOL_CREATE, args[1], 0); }

static long snapshot(char **args) { return volume(directory(args[0]), BTRFS_IOC_SNAP_CREATE, args[2], directory(args[1])); }

// destroy deletes a subvolume by its id, wherever it lies.
static long destroy(char **args) {
	struct btrfs_ioctl_vol_args_v2 v = {.flags = BTRFS_SUBVOL_SPEC_BY_ID, .subvolid = atoi(args[1])};
	return ioctl(directory(args[0]), BTRFS_IOC_SNAP_DESTROY_V2, &v);
}

// seal makes a subvolume read-only.
static long seal(char **args) {
	uint64_t flags = BTRFS_SUBVOL_RDONLY;
	return ioctl(directory(args[0]), BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
}

// unlimit takes the limit off a quota group of level 1.
static long unlimit(char **args) {
	struct btrfs_ioctl_qgroup_limit_args l = {.qgroupid = (1ULL << 48) + atoi(args[1]), .lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = -1}};
	return ioctl(directory(args[0]), BTRFS_IOC_QGROUP_LIMIT, &l);
}

static long no_quota(char **args) {
	struct btrfs_ioctl_quota_ctl_args q = {.cmd = BTRFS_QUOTA_CTL_DISABLE};
	return ioctl(directory(args[0]), BTRFS_IOC_QUOTA_CTL, &q);
}

// where tells which files have a byte of the disk, in all subvolumes.
static long where(char **args) {
	static struct btrfs_data_container found;
	struct btrfs_ioctl_logical_ino_args l = {.logical = 13631488, .size = sizeof found, .inodes = (uintptr_t)&found};
	return ioctl(directory(args[0]), BTRFS_IOC_LOGICAL_INO, &l) < 0 && errno != ENOENT ? -1 : 0;
}

// send writes out a whole subvolume, which has to be read-only.
static long send_stream(char **args) {
	int stream = memfd_create("stream", 0);
	must(stream, "memfd_create");
	struct btrfs_ioctl_send_args s = {.send_fd = stream};
	return ioctl(directory(args[0]), BTRFS_IOC_SEND, &s);
}

const struct attempt btrfs_attempts[] = {
	{"handle", 3, by_handle}, {"search", 2, search}, {"lookup", 2, lookup}, {"subvolume", 2, make_subvolume},
	{"snapshot", 3, snapshot}, {"destroy", 2, destroy}, {"seal", 1, seal}, {"unlimit", 2, unlimit}, {"no-quota", 1, no_quota},
	{"where", 1, where}, {"send", 1, send_stream}, {0},
};
