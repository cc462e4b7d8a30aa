// Package vm boots a Debian 13 host in qemu, without KVM, for what a copy of this machine (package machine) cannot show: a kernel of its
// own with cgroup v2 and nothing else, kernel modules, disks.
//
// Emulation is some ten times slower than the machine, so a host is booted once for all that is to be seen there: checks_test.go is a
// table. Another one has a pool on a disk that fails: faults_test.go. The host has no network but its own. Its root filesystem is the image that make test-vm builds, and what it writes there
// is gone with it. It can boot again, by a reboot or after a power cut, and has then what it had on its disks: reboot.go.
//
// Whatever dies, nothing is left behind: qemu is killed with the test, and its disks have no names.
package vm
