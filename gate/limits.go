package gate

// Limits are what a fork may use of its host. The decision on op fork fixes them, and they are stored with the fork; a grand
// repository takes them from its block in the policy. The zero Limits open no network and set no bound; policy fills in
// what its rules leave out.
type Limits struct {
	Quota  uint64   `json:"quota,omitempty"`  // bytes of the pool, over all of a fork's subvolumes
	Memory uint64   `json:"memory,omitempty"` // bytes
	Pids   uint64   `json:"pids,omitempty"`   // processes and threads
	CPU    uint64   `json:"cpu,omitempty"`    // percent of one processor: 200 are two
	IO     uint64   `json:"io,omitempty"`     // weight, 1 to 10000; 100 is the usual
	Egress []string `json:"egress,omitempty"` // where connections may go: nothing, "*", or CIDR[:PORT[/tcp|udp]]
}
