/* libssh, as a program: exec COMMAND, pty COMMAND, files, direct HOST PORT. Who, where and with which key is in the environment. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>

static ssh_session session;

static void fail(const char *what) {
	fprintf(stderr, "%s: %s\n", what, ssh_get_error(session));
	exit(1);
}

static void must(int ok, const char *what) {
	if (!ok)
		fail(what);
}

static void all(int fd, const char *data, ssize_t n) {
	while (n > 0) {
		ssize_t done = write(fd, data, n);
		if (done < 0)
			exit(1);
		data += done;
		n -= done;
	}
}

static void enter(void) {
	ssh_key key;
	int port = atoi(getenv("PORT"));
	char known[4096];
	snprintf(known, sizeof known, "%s/.ssh/known_hosts", getenv("HOME"));
	must((session = ssh_new()) != NULL, "new");
	ssh_options_set(session, SSH_OPTIONS_HOST, getenv("HOST"));
	ssh_options_set(session, SSH_OPTIONS_PORT, &port);
	ssh_options_set(session, SSH_OPTIONS_USER, getenv("LOGIN"));
	ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, known);
	must(ssh_connect(session) == SSH_OK, "connect");
	must(ssh_session_is_known_server(session) == SSH_KNOWN_HOSTS_OK, "known host");
	must(ssh_pki_import_privkey_file(getenv("KEY"), NULL, NULL, NULL, &key) == SSH_OK, "key");
	must(ssh_userauth_publickey(session, NULL, key) == SSH_AUTH_SUCCESS, "userauth");
	ssh_key_free(key);
}

/* Standard input goes in until it ends, both outputs come out until they end. */
static int pump(ssh_channel channel) {
	static char data[65536];
	int open = 1, n;
	while (!ssh_channel_is_eof(channel)) {
		struct pollfd fds[2] = {{ssh_get_fd(session), POLLIN, 0}, {open ? 0 : -1, POLLIN, 0}};
		if (ssh_channel_poll(channel, 0) == 0 && ssh_channel_poll(channel, 1) == 0)
			poll(fds, 2, 1000);
		if (fds[1].revents) {
			n = read(0, data, sizeof data);
			if (n > 0)
				must(ssh_channel_write(channel, data, n) == n, "write");
			else {
				open = 0;
				ssh_channel_send_eof(channel);
			}
		}
		for (int error = 0; error < 2; error++)
			while ((n = ssh_channel_read_nonblocking(channel, data, sizeof data, error)) > 0)
				all(1 + error, data, n);
	}
	return ssh_channel_get_exit_status(channel);
}

static int execute(const char *command, int terminal) {
	ssh_channel channel = ssh_channel_new(session);
	must(ssh_channel_open_session(channel) == SSH_OK, "session");
	if (terminal)
		must(ssh_channel_request_pty_size(channel, "xterm", 80, 24) == SSH_OK, "pty");
	must(ssh_channel_request_exec(channel, command) == SSH_OK, "exec");
	return pump(channel);
}

static int direct(const char *host, int port) {
	ssh_channel channel = ssh_channel_new(session);
	must(ssh_channel_open_forward(channel, host, port, "127.0.0.1", 1) == SSH_OK, "forward");
	pump(channel);
	return 0;
}

static void move(sftp_session sftp, const char *there, const char *here, int put) {
	static char data[32768];
	ssize_t n;
	int local = put ? open(here, O_RDONLY) : open(here, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	sftp_file file = sftp_open(sftp, there, put ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0600);
	must(local >= 0 && file != NULL, there);
	while ((n = put ? read(local, data, sizeof data) : sftp_read(file, data, sizeof data)) > 0)
		if (put)
			must(sftp_write(file, data, n) == n, there);
		else
			all(local, data, n);
	must(n == 0 && sftp_close(file) == SSH_OK && close(local) == 0, there);
}

static void files(void) {
	const char *big = getenv("BIG");
	sftp_session sftp = sftp_new(session);
	sftp_dir dir;
	sftp_attributes found;
	must(sftp != NULL && sftp_init(sftp) == SSH_OK, "sftp");
	must(sftp_mkdir(sftp, "d", 0700) == 0 && sftp_mkdir(sftp, "d/e", 0700) == 0, "mkdir");
	move(sftp, "d/up", big, 1);
	must(sftp_rename(sftp, "d/up", "d/moved") == 0, "rename");
	must((dir = sftp_opendir(sftp, "d")) != NULL, "list");
	while ((found = sftp_readdir(sftp, dir)) != NULL)
		puts(found->name);
	move(sftp, "d/moved", "got", 0);
	move(sftp, "d/gone", big, 1);
	must(sftp_unlink(sftp, "d/gone") == 0 && sftp_rmdir(sftp, "d/e") == 0, "remove");
}

int main(int argc, char **argv) {
	int code = 0;
	const char *word = argc > 1 ? argv[1] : "";
	enter();
	if (!strcmp(word, "exec") || !strcmp(word, "pty"))
		code = execute(argv[2], word[0] == 'p');
	else if (!strcmp(word, "files"))
		files();
	else
		code = direct(argv[2], atoi(argv[3]));
	ssh_disconnect(session);
	return code;
}
