package redteam

var socketRows = []row{
	{
		name: "systemd, D-Bus", by: "a mount tree of the fork's own",
		attempt: step{session, "for s in /run/dbus/system_bus_socket /run/systemd/private /run/systemd/notify /run/systemd/journal/socket; do probe unix $s; done", "(?:unix: ENOENT\n?){4}"},
		control: &step{host, "probe unix /run/dbus/system_bus_socket; probe unix /run/systemd/private", "unix: done\nunix: done"},
	},
	{
		name: "systemd, D-Bus", by: "a mount tree of the fork's own",
		attempt: step{container, "for s in /run/dbus/system_bus_socket /run/systemd/private /run/systemd/notify /run/systemd/journal/socket; do probe unix /host$s; done", "(?:unix: ENOENT\n?){4}"},
		control: &step{host, "probe unix /run/dbus/system_bus_socket; probe unix /run/systemd/private", "unix: done\nunix: done"},
	},
	{
		name: "the warden, the operator's socket, pods' sockets", by: "a mount tree of the fork's own",
		attempt: step{session, "for s in warden.sock operator/operator.sock operator.sock net/net.sock pods/$GUID/control.sock pods/$OTHER/control.sock; do probe unix /run/forkgate/$s; done", "(?:unix: ENOENT\n?){6}"},
		control: &step{host, "probe unix /run/forkgate/warden.sock", "unix: (?:done|EPROTOTYPE)"}, // it is a SOCK_SEQPACKET
	},
	{
		name: "the warden, the operator's socket, pods' sockets", by: "a mount tree of the fork's own",
		attempt: step{container, "for s in warden.sock operator/operator.sock operator.sock net/net.sock pods/$GUID/control.sock pods/$OTHER/control.sock; do probe unix /host/run/forkgate/$s; done", "(?:unix: ENOENT\n?){6}"},
		control: &step{host, "probe unix /run/forkgate/pods/$OTHER/docker.sock", "unix: done"},
	},
	{
		name: "another fork's Docker", by: "one socket file is mounted",
		attempt: step{session, "echo sockets: $(ls /run/rediacc | wc -l); probe unix /run/rediacc/docker-$OTHERNETWORK.sock; probe unix /run/rediacc/docker-$REDIACC_NETWORK_ID.sock", "sockets: 1\nunix: ENOENT\nunix: done"},
		control: &step{neighbour, "probe unix /run/rediacc/docker-$OTHERNETWORK.sock", "unix: done"},
	},
	{
		name: "the host's containerd and Docker", by: "a mount tree of the fork's own",
		attempt: step{container, "probe unix /host/run/containerd/containerd.sock; probe unix /host/var/run/docker/containerd/containerd.sock; docker=$(readlink /host/run/docker.sock); echo $docker", "unix: ENOENT\nunix: (?:done|ENOENT)\nrediacc/docker-[0-9]+.sock"},
	},
	{
		name: "abstract sockets of the host", by: "a network namespace of the fork's own",
		attempt: step{session, "probe abstract host", "abstract: (?:ECONNREFUSED|EPERM)"},
		control: &step{host, "probe abstract host", "abstract: done"},
	},
	{
		name: "abstract sockets of the host", by: "a network namespace of the fork's own",
		attempt: step{container, "probe abstract host", "abstract: ECONNREFUSED"},
		control: &step{host, "probe abstract host", "abstract: done"},
	},
	{
		name: "abstract sockets of another fork", by: "a network namespace of the fork's own",
		attempt: step{container, "probe abstract calm", "abstract: ECONNREFUSED"},
		control: &step{host, "for pid in $(pgrep -f 'probe serve 9000 calm'); do nsenter -n -t $pid probe abstract calm && break; done", "abstract: done"},
	},
}
