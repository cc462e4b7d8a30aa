package door_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"forkgate/tests/need"
)

// offer is what a server offers in its first message (RFC 4253, section 7.1), the directions taken together.
type offer struct{ kex, hostKeys, ciphers, macs, compression []string }

// offered reads a server's offer.
func offered(t *testing.T, addr string) (o offer) {
	t.Helper()
	r := connectRaw(t, addr)
	var m struct {
		Cookie [16]byte `sshtype:"20"`
		Lists  []byte   `ssh:"rest"`
	}
	if err := ssh.Unmarshal(r.expect(20), &m); err != nil {
		t.Fatal(err)
	}
	for _, list := range []*[]string{&o.kex, &o.hostKeys, &o.ciphers, &o.ciphers, &o.macs, &o.macs, &o.compression, &o.compression} {
		var l struct {
			Names string
			Rest  []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(m.Lists, &l); err != nil {
			t.Fatal(err)
		}
		for name := range strings.SplitSeq(l.Names, ",") {
			if !slices.Contains(*list, name) {
				*list = append(*list, name)
			}
		}
		m.Lists = l.Rest
	}
	return o
}

// weak are algorithms that nobody should speak any more: SHA-1, CBC, RC4, DSA, groups of 1024 bits, and MACs of what is not encrypted yet.
var weak = map[string][]string{
	"KexAlgorithms":     {"diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"},
	"HostKeyAlgorithms": {"ssh-rsa"},
	"Ciphers":           {"3des-cbc", "aes128-cbc", "aes256-cbc"},
	"MACs":              {"hmac-sha1", "hmac-md5", "hmac-sha1-96", "umac-64@openssh.com"},
}

// What is offered is this and nothing else: strict key exchange (against CVE-2023-48795), no compression before anybody has authenticated, or after.
func TestWhatIsOffered(t *testing.T) {
	t.Parallel()
	got := offered(t, open(t).addr)
	ciphers := []string{"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"}
	if slices.Contains(got.ciphers, "chacha20-poly1305@openssh.com") { // where the processor has no AES
		ciphers = append([]string{"chacha20-poly1305@openssh.com"}, ciphers...)
	}
	want := offer{
		kex: []string{
			"mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "kex-strict-s-v00@openssh.com",
		},
		hostKeys: []string{"ssh-ed25519"},
		ciphers:  ciphers, macs: []string{"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256"}, compression: []string{"none"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("offered\n%v\nwant\n%v", got, want)
	}
}

// A client that offers one weak algorithm alone is refused. The control is Debian's sshd, which has all of them switched on: the same
// client gets as far as to authenticate there.
func TestWeakAlgorithmsAreRefused(t *testing.T) {
	need.Tools(t, "ssh", "ssh-keygen", "/usr/sbin/sshd")
	p := open(t)
	sshd := weakSSHD(t)
	for option, names := range weak {
		for _, name := range names {
			args := []string{"-o", option + "=" + name, "-v"}
			if option == "MACs" {
				args = append(args, "-o", "Ciphers=aes128-ctr") // the others have one of their own
			}
			said := func(addr string) string {
				out, _ := openSSH(t, p.dir, addr, "ssh", append(args, "demo@host", "true")...).CombinedOutput() // it fails at one or the other point
				return string(out)
			}
			if text := said(p.addr); !strings.Contains(text, "no matching") {
				t.Errorf("%s is not refused:\n%s", name, text)
			}
			if text := said(sshd); !strings.Contains(text, "SSH2_MSG_SERVICE_ACCEPT received") {
				t.Errorf("the control does not speak %s:\n%s", name, text)
			}
		}
	}
	control := offered(t, sshd)
	for _, names := range weak {
		for _, name := range names {
			if all := slices.Concat(control.kex, control.hostKeys, control.ciphers, control.macs); !slices.Contains(all, name) {
				t.Errorf("%s is not found in what the control offers", name)
			}
		}
	}
}

// A client hears which signatures count (RFC 8308), so that one with an RSA key does not try SHA-1.
func TestSignaturesAreNamed(t *testing.T) {
	t.Parallel()
	out, _ := open(t).ssh("ssh", "-v", "demo@host", "true").CombinedOutput()
	_, list, ok := strings.Cut(string(out), "kex_input_ext_info: server-sig-algs=<")
	list, _, _ = strings.Cut(list, ">")
	names := strings.Split(list, ",")
	if !ok || !slices.Contains(names, "rsa-sha2-512") || slices.Contains(names, "ssh-rsa") || slices.Contains(names, "ssh-dss") {
		t.Errorf("it hears %q:\n%s", names, out)
	}
}

// weakSSHD is an sshd that speaks what is weak.
func weakSSHD(t *testing.T) (addr string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", filepath.Join(dir, "key")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	more := []string{"HostKey " + filepath.Join(dir, "key")}
	for option, names := range weak {
		more = append(more, option+" +"+strings.Join(names, ","))
	}
	return startSSHD(t, dir, more...)
}

// OpenSSH's client gets AES-GCM, though before version 10 it puts AES-CTR first, unless it was told not to take it.
func TestTheFastCipherIsAgreedOn(t *testing.T) {
	need.Tools(t, "ssh")
	p := open(t)
	slow := slices.Contains(offered(t, p.addr).ciphers, "chacha20-poly1305@openssh.com") // a processor without AES: the client's order it is
	for wants, want := range map[string]string{
		"chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com": "aes128-gcm@openssh.com",
		"aes256-ctr,aes256-gcm@openssh.com,aes128-gcm@openssh.com":        "aes256-gcm@openssh.com",
		"aes256-ctr": "aes256-ctr",
	} {
		if slow {
			want, _, _ = strings.Cut(wants, ",")
		}
		said, err := p.ssh("ssh", "-v", "-o", "Ciphers="+wants, "host", "true").CombinedOutput()
		for _, way := range []string{"server->client", "client->server"} {
			if err != nil || !strings.Contains(string(said), "kex: "+way+" cipher: "+want+" ") {
				t.Errorf("%s: no %s %s, %v:\n%s", wants, way, want, err, said)
			}
		}
	}
}

// A first packet that comes in pieces, and is too long to be looked at, ends no connection.
func TestALongFirstPacket(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1000, 4076, 4084, 4096, 4100} {
		r := connectRaw(t, open(t).addr)
		if _, err := r.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(length)), append([]byte{4, 20}, make([]byte, 200)...)...)); err != nil {
			t.Fatal(err)
		}
		r.expect(20)
		_ = r.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := r.reader.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}
