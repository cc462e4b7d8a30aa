package pod

import (
	"testing"

	"forkgate/nsjail"
)

// What a pod is given is there in memory, for whoever is in it to read and nobody to write, and not on the disk.
func TestSecrets(t *testing.T) {
	for name, build := range map[string]func(*testing.T, *testPod){
		"at once": func(t *testing.T, p *testPod) {
			must(t, p.spec.Write(p.run))
			p.launch(t)
		},
		"ahead": func(t *testing.T, p *testPod) {
			spare := p.spec
			spare.Ahead, spare.Hostname, spare.Data, spare.Docker, spare.Secrets = true, "", "", "", nil
			must(t, spare.Write(p.run))
			p.launch(t)
			must(t, p.spec.Write(p.run))
			must(t, nsjail.Take(t.Context(), p.run, p.guid))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestPod(t)
			p.spec.Secrets = []nsjail.Secret{{Name: "PASSWORD", Text: []byte("pre\x00cious\n")}, {Name: "TOKEN", Text: []byte("t")}}
			build(t, p)
			const look = "cd /run/secrets && ls && cat PASSWORD | od -c | head -1 && stat -c '%a %u' PASSWORD && stat -fc %T . && " +
				"{ rm -f PASSWORD || :; echo x >>PASSWORD || :; echo x >NEW || :; } 2>/dev/null; ls | wc -l"
			const want = "PASSWORD\nTOKEN\n0000000   p   r   e  \\0   c   i   o   u   s  \\n\n444 0\ntmpfs\n2\n"
			if out, exit := p.sh(t, look); out != want || exit.Code != 0 {
				t.Errorf("a session sees %q, %+v", out, exit)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		p := newTestPod(t)
		must(t, p.spec.Write(p.run))
		p.launch(t)
		if out, _ := p.sh(t, "ls -A /run/secrets | wc -l"); out != "0\n" {
			t.Errorf("a session sees %q", out)
		}
	})
}
