// Package clients has real clients do what people and agents do with them, at a host on which forkgate is really installed: a table of
// programs and what each is asked for, and stories that are longer than a cell. Each client comes by an agent's plain key, into a fork of
// its own. What was done is not asked of the client: stock ssh looks into the fork, and a server in there answers.
//
// go test -v prints the table:
//
//	CLIENT    EXEC  PTY  STDIN  FILES  COPY  -L   -D   -W   SOCKET  REFUSED     FILES REFUSED  FORWARD REFUSED  KEYS               -R   -R SOCKET  -A
//	ssh       yes   yes  yes    -      -     yes  yes  yes  yes     told, 254   -              told, 255        ed25519 ecdsa rsa  yes  yes        yes
//	scp       -     -    -      -      yes   -    -    -    -       told, 1     -              -                -                  -    -          -
//	scp-old   -     -    -      -      yes   -    -    -    -       told, 1     -              -                -                  -    -          -
//	sftp      -     -    -      yes    -     -    -    -    -       told, 255   -              -                -                  -    -          -
//	sshfs     -     -    -      yes    -     -    -    -    -       silent, 1   -              -                -                  -    -          -
//	rsync     -     -    -      -      yes   -    -    -    -       told, 254¹  -              -                -                  -    -          -
//	git       -     -    -      -      yes   -    -    -    -       told, 128   -              -                -                  -    -          -
//	lftp      -     -    -      yes    -     -    -    -    -       told, 1     -              -                -                  -    -          -
//	plink     yes   yes  yes    -      -     yes  yes  yes  -       told, 254   -              told, 1          ed25519 ecdsa rsa  yes  -          yes
//	pscp      -     -    -      -      yes   -    -    -    -       told, 1     -              -                -                  -    -          -
//	psftp     -     -    -      yes    -     -    -    -    -       told, 2     -              -                -                  -    -          -
//	dbclient  yes   yes  yes    -      yes   yes  -    yes  -       told, 254   -              -                ed25519 ecdsa rsa  yes  -          yes
//	paramiko  yes   yes  yes    yes    -     -    -    yes  -       told, 254   told, 1        told, 1          ed25519 ecdsa rsa  yes  -          yes
//	asyncssh  yes   yes  yes    yes    -     yes  yes  yes  yes     told, 254   told, 1        told, 1          ed25519 ecdsa rsa  yes  yes        yes
//	libssh    yes   yes  yes    yes    -     -    -    yes  -       told, 254   told, 1        told, 1          ed25519 ecdsa rsa  -    -          -
//	libssh2   -     -    -      yes    yes   -    -    -    -       silent, 78  silent, 9      -                ed25519 ecdsa      -    -          -
//	rclone    -     -    -      yes    -     -    -    -    -       silent, 1   -              -                ed25519 ecdsa rsa  -    -          -
//
// exec tells the outputs and the exit code apart; stdin is 100 MB there and back; files is SFTP's put, get, rename, list, mkdir, rm and
// rmdir; copy is the program's own way of moving a file, both ways; socket is a forward to a unix socket. Below REFUSED is what becomes
// of a refusal: whether the client shows reason and hint, and what it ends with, 254 where it passes the gate's code on. What is refused is what
// the program is for; for libraries there is SFTP besides.
//
// What is not there, and why:
//
//   - sshfs, rclone and curl look at no standard error of SFTP, and have words of their own for what it answers: permission denied. The
//     reason is in `ssh` to the same place, and in the record.
//   - libssh2 before 1.11 has no RSA with SHA-2, so no RSA at all here; and it and dbclient know no MAC of the better kind, for which the
//     gate has hmac-sha2-256.
//   - -R and -A are asked of those that bring them, and not of libssh. An agent's key lends nothing: for -A all come by a person's, into a
//     fork that no agent has entered.
//   - dbclient ends a refused forward without a word, with 0 for -B, and knows neither SOCKS nor unix sockets. PuTTY has no unix sockets.
//   - paramiko, libssh and libssh2 are libraries: that they listen here, for -L and -D, is their programs' affair. What they do is open
//     the channel, which is the column -W.
//   - ¹ rsync passes on what ssh ends with, unless it is first to notice that ssh is gone: then it says 12.
//   - OpenSSH's scp and sftp end with 255 or 1 whatever the server's code is, PuTTY's with 1, git with 128.
//   - A connection that could be a person's carries one session, so a vouched key does not get along with what holds more than one on it:
//     JetBrains Gateway, Zed's master connection, TRAMP with its ControlMaster. A key that is not vouched does, in forks; VS Code does by both.
//   - X11 is refused to all, as tests/scripts shows.
//
// The stories are files in testdata: every extension of SFTP that OpenSSH's client has a use for; ProxyJump into an sshd that an agent runs
// in its fork; and editors. Of those Emacs with TRAMP and vim with netrw are the real ones. VS Code, JetBrains Gateway and Zed are their
// command lines and the shape of what they say, with asyncssh for the SSH in JetBrains', and testdata/standin.py in the place of the
// servers that they bring.
package clients
