#include "probe.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_in address(const char *ip, const char *port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		must(-1, ip);
	return a;
}

// answer prints what the other side says.
static long answer(int fd) {
	char text[100];
	struct pollfd p = {fd, POLLIN, 0};
	if (must(poll(&p, 1, 5000), "poll") == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	ssize_t n = read(fd, text, sizeof text - 1);
	if (n < 0)
		return -1;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	printf("answer: %s\n", text);
	return 0;
}

// either is an address of IPv4, or of IPv6 as one of those is seen there (RFC 4291, 2.5.5.2).
static struct sockaddr_in6 either(const char *ip, const char *port) {
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))};
	char mapped[64];
	snprintf(mapped, sizeof mapped, "%s%s", strchr(ip, ':') ? "" : "::ffff:", ip);
	if (inet_pton(AF_INET6, mapped, &a.sin6_addr) != 1)
		must(-1, ip);
	return a;
}

static long tcp(char **args) {
	struct sockaddr_in6 a = either(args[0], args[1]);
	int fd = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
	struct timeval patience = {5, 0};
	must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), "SO_SNDTIMEO");
	if (connect(fd, (void *)&a, sizeof a) < 0) {
		if (errno == EINPROGRESS)
			errno = ETIMEDOUT;
		return -1;
	}
	return answer(fd);
}

static long udp(char **args) {
	struct sockaddr_in6 a = either(args[0], args[1]);
	int fd = must(socket(AF_INET6, SOCK_DGRAM, 0), "socket");
	if (connect(fd, (void *)&a, sizeof a) < 0 || send(fd, args[2], strlen(args[2]), 0) < 0)
		return -1;
	return answer(fd);
}

// spoof sends a datagram that claims to come from another address.
static long spoof(char **args) {
	struct sockaddr_in from = address(args[0], "1"), to = address(args[1], args[2]);
	char packet[100] = {0};
	struct iphdr *ip = (void *)packet;
	struct udphdr *u = (void *)(ip + 1);
	size_t length = strlen(args[3]), all = sizeof *ip + sizeof *u + length;
	*ip = (struct iphdr){.ihl = 5, .version = 4, .ttl = 9, .protocol = IPPROTO_UDP, .saddr = from.sin_addr.s_addr, .daddr = to.sin_addr.s_addr};
	*u = (struct udphdr){.source = htons(999), .dest = to.sin_port, .len = htons(sizeof *u + length)};
	memcpy(u + 1, args[3], length);
	int fd = must(socket(AF_INET, SOCK_RAW, IPPROTO_RAW), "raw socket");
	return sendto(fd, packet, all, 0, (void *)&to, sizeof to);
}

static long reach(const struct sockaddr_un *a, socklen_t length) {
	int fd = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	return connect(fd, (void *)a, length) < 0 ? -1 : 0;
}

static long unix_path(char **args) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strncpy(a.sun_path, args[0], sizeof a.sun_path - 1);
	return reach(&a, sizeof a);
}

static socklen_t abstract_name(struct sockaddr_un *a, const char *name) {
	a->sun_family = AF_UNIX;
	strncpy(a->sun_path + 1, name, sizeof a->sun_path - 2);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

static long unix_abstract(char **args) {
	struct sockaddr_un a = {0};
	return reach(&a, abstract_name(&a, args[0]));
}

// serve answers by TCP and UDP on all addresses with who it is, and writes down what came by UDP. It listens on an abstract
// socket of the same name as well.
static long serve(char **args) {
	struct sockaddr_in6 any = either("::", args[0]);
	struct sockaddr_un name = {0};
	int t = socket(AF_INET6, SOCK_STREAM, 0), u = socket(AF_INET6, SOCK_DGRAM, 0), a = socket(AF_UNIX, SOCK_STREAM, 0), on = 1;
	setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	must(bind(t, (void *)&any, sizeof any), "bind tcp");
	must(bind(u, (void *)&any, sizeof any), "bind udp");
	must(bind(a, (void *)&name, abstract_name(&name, args[1])), "bind abstract");
	must(listen(t, 64) | listen(a, 64), "listen");
	printf("ready\n");
	for (struct pollfd p[] = {{t, POLLIN, 0}, {u, POLLIN, 0}}; poll(p, 2, -1) >= 0;) {
		if (p[0].revents) {
			int c = accept(t, NULL, NULL);
			dprintf(c, "%s\n", args[1]);
			close(c);
		}
		if (p[1].revents) {
			struct sockaddr_in6 from;
			socklen_t length = sizeof from;
			char text[200], who[64];
			ssize_t n = recvfrom(u, text, sizeof text - 1, 0, (void *)&from, &length);
			if (n >= 0) {
				text[n] = 0;
				inet_ntop(AF_INET6, &from.sin6_addr, who, sizeof who);
				printf("%s %s\n", who + (strncmp(who, "::ffff:", 7) ? 0 : 7), text);
				sendto(u, args[1], strlen(args[1]), 0, (void *)&from, length);
			}
		}
	}
	return -1;
}

const struct attempt network_attempts[] = {
	{"tcp", 2, tcp}, {"udp", 3, udp}, {"spoof", 4, spoof}, {"unix", 1, unix_path}, {"abstract", 1, unix_abstract},
	{"serve", 2, serve}, {0},
};
