// evade tries to get past a seccomp filter and prints the error number that it gets, 0 for success.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
	long r = -1;
	if (argc == 2 && !strcmp(argv[1], "plain")) { // add_key as every program calls it
		r = syscall(SYS_add_key, 0, 0, 0, 0, 0) < 0 ? -errno : 0;
	} else if (argc == 2 && !strcmp(argv[1], "int80")) { // add_key through the 32-bit entry, where it is number 286
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(286), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory");
	} else if (argc == 2 && !strcmp(argv[1], "x32")) { // the x32 bit set
		r = syscall(SYS_add_key | 0x40000000, 0, 0, 0, 0, 0) < 0 ? -errno : 0;
	} else if (argc == 2 && !strcmp(argv[1], "wide")) { // AF_ALG with a high bit that the kernel cuts off
		r = syscall(SYS_socket, (uint64_t)1 << 32 | 38, 5, 0) < 0 ? -errno : 0;
	}
	printf("%ld\n", -r);
	return 0;
}
