package clients

import (
	"errors"
	"os"
	"strings"
	"testing"

	"forkgate/tests/machine"
)

// reverse is what leads from the fork to the client: ports and sockets that are listened on inside, and the client's ssh-agent, for a
// person in a fork that no agent has entered.
func reverse() ([]column, map[string]map[string]string) {
	return []column{
		{name: "-R", check: answered},
		{name: "-R socket", check: answered},
		{name: "-A", login: "demo+lent", person: true, check: lent},
	}, reverseRows()
}

const (
	// outside starts a server in the host's network, where the client is.
	outside = `rm -f behind s; behind python3 $TESTDATA/serve.py $((LOCAL + 1)) $PWD/s; until grep -qs ready behind; do sleep 0.05; done; `
	// asks is stock ssh, which asks what is listened on in the fork. asyncssh refuses what connects before it has taken in that something listens.
	asks = `"${ssh[@]}" gate 'for _ in $(seq 200); do
		{ exec 3<>/dev/tcp/127.0.0.1/7100; } 2>/dev/null && echo through >&3 && read -r line <&3 && break; sleep 0.05; done; echo "$line"'`
	asksSocket = `"${ssh[@]}" gate '` + "python3 -c \"import socket, time\nfor _ in range(200):\n try:\n  s = socket.socket(socket.AF_UNIX); s.connect(\\\"/tmp/r\\\"); s.sendall(b\\\"through\\n\\\")\n" +
		"  line = s.makefile().readline()\n  if line: print(line); break\n except OSError: pass\n time.sleep(0.05)\"'"
	// lends puts the key into an ssh-agent.
	lends = `behind ssh-agent -D -a $PWD/agent; until [ -S agent ]; do sleep 0.05; done; export SSH_AUTH_SOCK=$PWD/agent; ssh-add -q $KEY; `
	keys  = `'ssh-add -L'`
)

func reverseRows() map[string]map[string]string {
	const paramiko, asyncssh = `/usr/bin/python3 $TESTDATA/paramiko_client.py`, `/usr/bin/python3 $TESTDATA/asyncssh_client.py`
	return map[string]map[string]string{
		"ssh": {
			"-R":        outside + `behind "${ssh[@]}" -N -R 7100:127.0.0.1:$((LOCAL + 1)) gate; ` + asks,
			"-R socket": outside + `behind "${ssh[@]}" -N -R /tmp/r:$PWD/s gate; ` + asksSocket,
			"-A":        lends + `"${ssh[@]}" -o IdentityAgent=$PWD/agent -A gate ` + keys,
		},
		"plink": {
			"-R": outside + `ppk; behind plink "${putty[@]}" -N -R 7100:127.0.0.1:$((LOCAL + 1)) $HOST; ` + asks,
			"-A": lends + `ppk; plink "${putty[@]}" -T -A $HOST ` + keys,
		},
		"dbclient": {
			"-R": outside + `drop; behind "${dropbear[@]:0:7}" -N -R 7100:127.0.0.1:$((LOCAL + 1)) $HOST; ` + asks,
			"-A": lends + `drop; "${dropbear[@]:0:7}" -A $HOST ` + keys,
		},
		"paramiko": {
			"-R": outside + `behind ` + paramiko + ` remote 7100 127.0.0.1 $((LOCAL + 1)); ` + asks,
			"-A": lends + paramiko + ` lend ` + keys,
		},
		"asyncssh": {
			"-R":        outside + `behind ` + asyncssh + ` remote 7100 127.0.0.1 $((LOCAL + 1)); ` + asks,
			"-R socket": outside + `behind ` + asyncssh + ` remote-socket /tmp/r $PWD/s; ` + asksSocket,
			"-A":        lends + asyncssh + ` lend ` + keys,
		},
	}
}

// lent wants the key that the client's ssh-agent has.
func lent(_ *testing.T, w *work, r machine.Result) (string, error) {
	public, err := os.ReadFile(w.world.Dir + "/person.pub")
	if err != nil {
		return "", err
	}
	if r.Code != 0 || !strings.Contains(r.Stdout, strings.Fields(string(public))[1]) {
		return "", errors.New("the session does not reach the client's ssh-agent")
	}
	return "yes", nil
}
