// Package scripts holds stories told by people, agents and attackers, with real clients, at a host on which forkgate is really
// installed. A story is a file in testdata: in stories they run side by side; in alone one after the other, because they restart
// services or fill the pool; in forced by the host's own sshd; in bare on a host where forkgate is installed and nothing is set up.
//
// In a story ssh, scp, sftp, rsync and git are the stock clients. To them agent, person, rival and stranger are names of the gate, each
// with a key and a principal of the story's own: an agent, a person (vouched for), another agent, and nobody's key. onhost runs
// a command on the host, as root, and innet one of this machine in the host's network.
package scripts
