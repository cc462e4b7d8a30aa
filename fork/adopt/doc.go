// Package adopt makes a repository of a Docker Compose project that runs on the host: its directory, its images and its volumes go into a new
// repository, where it is started and has to become as well as it was; else it runs again where it was, and nothing is left of the repository.
//
// It works with two Docker daemons, of which one is the host's and the other in the repository's pod, by docker's own client, and with nothing of
// theirs that lies on a disk. The project does not run while its data is copied. What it was stays where it is, stopped, for its owner to
// remove.
//
// It is not a backup and no migration between hosts. It trusts the host's daemon, whose client could do anything to the host.
package adopt
