#include "probe.h"

long must(long result, const char *what) {
	if (result < 0) {
		printf("cannot try: %s: %s\n", what, strerror(errno));
		exit(3);
	}
	return result;
}

const char *error_name(int error) {
	static char number[32];
	switch (error) {
	case 0: return "choice";
	case EPERM: return "EPERM";
	case EFAULT: return "EFAULT";
	case EPROTOTYPE: return "EPROTOTYPE";
	case ENOENT: return "ENOENT";
	case ESRCH: return "ESRCH";
	case EACCES: return "EACCES";
	case EAGAIN: return "EAGAIN";
	case EINVAL: return "EINVAL";
	case EMFILE: return "EMFILE";
	case ENFILE: return "ENFILE";
	case ENOSPC: return "ENOSPC";
	case ENOSYS: return "ENOSYS";
	case EDQUOT: return "EDQUOT";
	case ESTALE: return "ESTALE";
	case ENOMEM: return "ENOMEM";
	case ENODEV: return "ENODEV";
	case ENOKEY: return "ENOKEY";
	case EXDEV: return "EXDEV";
	case EROFS: return "EROFS";
	case ENXIO: return "ENXIO";
	case EBUSY: return "EBUSY";
	case ENOTTY: return "ENOTTY";
	case ECONNREFUSED: return "ECONNREFUSED";
	case ECONNRESET: return "ECONNRESET";
	case ENETUNREACH: return "ENETUNREACH";
	case EHOSTUNREACH: return "EHOSTUNREACH";
	case ETIMEDOUT: return "ETIMEDOUT";
	case EAFNOSUPPORT: return "EAFNOSUPPORT";
	}
	snprintf(number, sizeof number, "errno %d", error);
	return number;
}

int main(int argc, char **argv) {
	const struct attempt *all[] = {btrfs_attempts, kernel_attempts, network_attempts, hoarding_attempts};
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof all / sizeof *all; i++)
		for (const struct attempt *a = all[i]; a->name; a++) {
			if (strcmp(a->name, argv[1]) || a->args != argc - 2)
				continue;
			errno = 0;
			long result = a->make(argv + 2);
			if (result < 0)
				printf("%s: %s\n", a->name, error_name(errno));
			else
				printf("%s: done\n", a->name);
			return result < 0;
		}
	printf("cannot try: there is no attempt %s with %d arguments\n", argc > 1 ? argv[1] : "", argc - 2);
	return 3;
}
