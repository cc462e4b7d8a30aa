// Package openssh runs the scripts with which OpenSSH tests itself, as Debian packages them (openssh-tests), against a gate.
//
// The scripts start an sshd, and compare files that they have sent with files of their own: they take it that the server has their files
// and their network. So each script gets a fork, and stands on the host with the fork's files, at the same path and under the same ids,
// and in the fork's network: what only root on the host can do, and what the gate has no part in. In sshd's place is a shim
// (testdata/sshd) that leads to the gate, so that test-exec.sh, which all of them begin with, runs as it is. What is changed in a script is
// in the table, as a sed script, with the reason.
package openssh
