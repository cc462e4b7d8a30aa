// probe makes one attempt and prints how it ended: "WHAT: EPERM", or "WHAT: done" and what it got.
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct attempt {
	const char *name;
	int args;
	long (*make)(char **args); // negative is an error, in errno
};

extern const struct attempt btrfs_attempts[], kernel_attempts[], network_attempts[], hoarding_attempts[];

// must ends the program when something fails that is not the attempt itself: nothing is shown then.
long must(long result, const char *what);

const char *error_name(int error);

#endif

