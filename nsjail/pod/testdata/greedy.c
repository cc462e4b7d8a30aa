// greedy takes inotify instances until there are no more, says how many it got, and keeps them.
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(void) {
	int n = 0;
	while (inotify_init() >= 0) n++;
	printf("taken %d\n", n);
	fflush(stdout);
	sleep(100);
	return 0;
}
