package redteam

var btrfsRows = []row{
	{
		name:    "production's tree by TREE_SEARCH",
		attempt: step{session, "probe search . $PARENTTREE", "search: EPERM"},
		by:      "it wants the host's CAP_SYS_ADMIN",
		control: &step{host, "probe search $POOL/forks/$GUID/tree $PARENTTREE", "items: some\nsearch: done"},
	},
	{
		name:    "production's tree by TREE_SEARCH",
		attempt: step{container, "probe search /host/srv/$GUID $PARENTTREE", "search: EPERM"},
		by:      "it wants the host's CAP_SYS_ADMIN",
		control: &step{host, "probe search $POOL/forks/$GUID/tree $PARENTTREE", "items: some\nsearch: done"},
	},
	{
		name:    "production's names by INO_LOOKUP",
		attempt: step{container, "probe lookup /host/srv/$GUID $PARENTTREE", "lookup: EPERM"},
		by:      "it wants the host's CAP_SYS_ADMIN",
		control: &step{host, "probe lookup $POOL/forks/$GUID/tree $PARENTTREE", "name: .+\nlookup: done"},
	},
	{
		name:    "who shares a block, by LOGICAL_INO",
		attempt: step{container, "probe where /host/srv/$GUID", "where: EPERM"},
		by:      "it wants the host's CAP_SYS_ADMIN",
		control: &step{host, "probe where $POOL/forks/$GUID/tree", "where: done"},
	},
	{
		name:    "a subvolume as a stream, by SEND",
		attempt: step{container, "probe send /host/srv/$GUID", "send: EPERM"},
		by:      "it wants the host's CAP_SYS_ADMIN",
		control: &step{host, "btrfs -q subvolume snapshot -r $POOL/forks/$GUID/tree $POOL/sent; probe send $POOL/sent; btrfs -q subvolume delete $POOL/sent", "send: done"},
	},
	{
		name:    "another fork deleted by its id",
		attempt: step{container, "probe destroy /host/srv/$GUID $OTHERTREE", "destroy: EPERM"},
		after:   []step{{neighbour, "cat secret", "calm-only"}},
		by:      "seccomp",
		control: &step{host, "btrfs -q subvolume create $POOL/scratch; probe destroy $POOL/forks/$GUID/tree $(btrfs inspect-internal rootid $POOL/scratch)", "destroy: done"},
	},
	{
		name:    "a snapshot that pins what is deleted",
		attempt: step{container, "probe snapshot /host/srv/$GUID /host/home pin", "snapshot: EPERM"},
		by:      "seccomp",
		control: &step{unfiltered, "probe snapshot /srv/$GUID /home pin", "snapshot: done"},
	},
	{
		name:    "the quota evaded by a nested subvolume",
		attempt: step{session, "probe subvolume . nested", "subvolume: EPERM"},
		by:      "seccomp",
		// A plain limit on one subvolume does not hold what is in another one below it.
		control: &step{host, `cd /var/tmp; truncate -s 300M plain; mkfs.btrfs -q plain >/dev/null 2>&1; mkdir -p /mnt/plain; mount -o loop plain /mnt/plain; cd /mnt/plain
			{ btrfs quota enable .; btrfs subvolume create s; btrfs qgroup limit 8M s; btrfs subvolume create s/nested; } >/dev/null
			dd if=/dev/zero of=s/plain bs=1M count=32 2>/dev/null || sync; echo limited: $(($(stat -c %s s/plain) < 10000000))
			rm -f s/plain; sync; dd if=/dev/zero of=s/nested/more bs=1M count=32 status=none && echo evaded; cd /; umount /mnt/plain; rm /var/tmp/plain`,
			"limited: 1\nevaded"},
	},
	{
		name:    "the quota evaded by a nested subvolume",
		attempt: step{container, "probe subvolume /host/srv/$GUID nested; probe subvolume /host/var/lib/docker nested", "subvolume: EPERM\nsubvolume: EPERM"},
		by:      "seccomp, which --privileged does not lift",
		control: &step{unfiltered, "probe subvolume /srv/$GUID nested", "subvolume: done"},
	},
	{
		name:   "the quota evaded by a nested subvolume, without the filter",
		before: []step{{unfiltered, "probe subvolume /srv/$GUID nested2", "subvolume: done"}},
		attempt: step{host, "id=$(btrfs inspect-internal rootid $POOL/forks/$GUID/tree/data/nested2); slot=$(($(forkgate show --json $REF | sed -n 's/.*\"network_id\": \\([0-9]*\\).*/\\1/p') - 2816)); btrfs qgroup show -pc --raw $POOL 2>/dev/null | awk -v id=0/$id '$1 == id { print \"in\", $4 }' | sed \"s|1/$((slot / 64))$|its group|\"",
			"in its group"},
		by: "simple quotas: a new subvolume is in its parent's group",
	},
	{
		name:    "the limit taken off",
		attempt: step{container, "probe unlimit /host/srv/$GUID $(((NETWORK - 2816) / 64)); probe no-quota /host/srv/$GUID", "unlimit: EPERM\nno-quota: EPERM"},
		by:      "it wants the host's CAP_SYS_ADMIN",
		control: &step{host, "n=$(forkgate show --json $REF | sed -n 's/.*\"network_id\": \\([0-9]*\\).*/\\1/p'); probe unlimit $POOL/forks/$GUID $(((n - 2816) / 64))", "unlimit: done"},
	},
}
