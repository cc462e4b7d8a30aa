package scrub

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// secrets gives KEY and PASSWORD the value "sandbox".
func secrets(name string) (string, bool) { return "sandbox", name == "KEY" || name == "PASSWORD" }

func TestFormats(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"dotenv", ".env", "A=1\nKEY=sk_live_1\nexport PASSWORD = \"two words\" # note\r\nZ=\n", "A=1\nKEY=sandbox\nexport PASSWORD = \"sandbox\" # note\r\nZ=\n"},
		{"over lines", "prod.env", "KEY='one\ntwo'\nB=2\nPASSWORD=one\\\ntwo\nC=3", "KEY='sandbox'\nB=2\nPASSWORD=sandbox\nC=3"},
		{"escaped", ".env", `KEY="a\"b` + "\nPASSWORD=c\"\nA=1", "KEY=\"sandbox\"\nA=1"},
		{"commented out", ".env", "# KEY=old\n#PASSWORD=older\n# it's KEY\n", "# KEY=sandbox\n#PASSWORD=sandbox\n# it's KEY\n"},
		{"none", "secrets", "MY_KEY=1\nKEYS=2\nsee KEY\n", "MY_KEY=1\nKEYS=2\nsee KEY\n"},
		{"empty", ".env", "KEY=\nA=1", "KEY=sandbox\nA=1"},
		{"ini", "my.cnf", "[client]\nPASSWORD: one\n  two\n\nKEY = three ; note\n[KEY]\n", "[client]\nPASSWORD: sandbox\n\nKEY = sandbox\n[KEY]\n"},
		{"toml", "config.toml", "KEY = \"\"\"one\n\"two\"\n\"\"\"\nPASSWORD = 'x'\na = 1\n", "KEY = \"sandbox\"\nPASSWORD = 'sandbox'\na = 1\n"},
		{"json", "c.json", `{"a": [{"KEY" : "x\"y", "b": 1e400}], "PASSWORD":{"c":[1, 2]}, "KEYS": null}` + "\n{\"KEY\":1}\n",
			`{"a": [{"KEY" : "sandbox", "b": 1e400}], "PASSWORD":"sandbox", "KEYS": null}` + "\n{\"KEY\":\"sandbox\"}\n"},
		{"json, an environment", "c.json", `{"Env": [ "A=1" , "KEY=sk_live_1", 3, ["PASSWORD=x"]]}`, `{"Env": [ "A=1" , "KEY=sandbox", 3, ["PASSWORD=sandbox"]]}`},
		{"yaml", "c.yaml", "# all\na: 1 # one\nb:\n  KEY: |\n    one\n    two\n  c: {PASSWORD: x, d: &d y}\n---\n- KEY: 3 # three\n- *e\n",
			""}, // *e is no anchor of this document
		{"yaml", "c.yml", "# all\na: 1 # one\nb:\n  KEY: |\n    one\n    two\n  c: {PASSWORD: &p x, d: *p}\n---\n- KEY: 3 # three\n",
			"# all\na: 1 # one\nb:\n  KEY: \"sandbox\"\n  c: {PASSWORD: &p \"sandbox\", d: *p}\n---\n- KEY: \"sandbox\" # three\n"},
		{"compose", "compose.yaml", "services:\n  web:\n    environment:\n      - A=1\n      - KEY=sk_live_1\n", "services:\n  web:\n    environment:\n      - A=1\n      - \"KEY=sandbox\"\n"},
		{"with a byte order mark", ".env", "\ufeffKEY=x\n", "\ufeffKEY=sandbox\n"},
		{"with a byte order mark", "a.ini", "\ufeffKEY=x\n", "\ufeffKEY=sandbox\n"},
		{"by a colon", ".env.prod", "KEY: x\nURL=http://a\n", "KEY: sandbox\nURL=http://a\n"},
		{"dotted", "a.toml", "a.KEY = 'x'\n\"a\".\"PASSWORD\" = 'y'\nKEY[]=z\nMY.KEYS = 1\n", "a.KEY = 'sandbox'\n\"a\".\"PASSWORD\" = 'sandbox'\nKEY[]=sandbox\nMY.KEYS = 1\n"},
		{"in a table", "a.toml", "x = {KEY=\"a\"}\n", ""},
		{"in a table, quoted", "a.toml", "x = {\"KEY\" = \"a\"}\n", ""},
		{"behind another", ".env", "A=1; export KEY=x\n", ""},
		{"before a command", "prod.env", "A=1 KEY=x cmd\n", ""},
		{"behind its own", ".env", "KEY='a' # PASSWORD=b, and more\r\nA=1 # KEY=x\n", ""},
		{"behind its own", ".env", "KEY='a' # PASSWORD=b, and more\r\nA=1\n", "KEY='sandbox' # PASSWORD=sandbox\r\nA=1\n"},
		{"in a comment", ".env", "# say KEY = old, or\n; PASSWORD=x\n  # nothing\nA=1", "# say KEY =sandbox\n; PASSWORD=sandbox\n  # nothing\nA=1"},
		{"compared", ".env", "A=$([ $KEY == 1 ])\n", "A=$([ $KEY == 1 ])\n"},
		{"in a program", "a.py", "f(KEY=1)\n", "f(KEY=1)\n"},
		{"a file in yaml", "c.yaml", "data:\n  env: |\n    A=1\n    KEY=x\n", "data:\n  env: |\n    A=1\n    KEY=sandbox\n"},
		{"json in yaml", "c.yaml", "data: '{\"KEY\": \"x\"}'\n", "data: '{\"KEY\": \"sandbox\"}'\n"},
		{"a command in yaml", "c.yaml", "run: env KEY=x PASSWORD='a b' true\n", "run: env KEY=sandbox PASSWORD='sandbox' true\n"},
		{"a default in yaml", "c.yaml", "run: echo ${KEY:-x}\n", ""},
		{"a comment in yaml", "c.yaml", "# KEY: x\na: 1 # PASSWORD=y\n# - KEY=z\n", "# KEY: sandbox\na: 1 # PASSWORD=sandbox\n# - KEY=sandbox\n"},
		{"yaml in yaml", "c.yaml", "data:\n  app.yaml: |\n    KEY: |\n      x\n    a: 1\n", "data:\n  app.yaml: |\n    KEY: \"sandbox\"\n    a: 1\n"},
		{"dotted in yaml", "c.yaml", "spring.KEY: x\n", "spring.KEY: \"sandbox\"\n"},
		{"dotted in json", "c.json", `{"stripe.KEY": "x"}`, `{"stripe.KEY": "sandbox"}`},
		{"with a byte order mark", "a.json", "\ufeff{\"KEY\": 1}", "\ufeff{\"KEY\": \"sandbox\"}"},
		{"a connection in json", "c.json", `{"a": "Server = db; PASSWORD = s3 c)&ret; Uid=x", "b": "Server=db;PASSWORD=last"}`, `{"a": "Server = db; PASSWORD = sandbox; Uid=x", "b": "Server=db;PASSWORD=sandbox"}`},
		{"apart", "c.yaml", "sql: alter role x PASSWORD = 'abc' now\n", "sql: alter role x PASSWORD = 'sandbox' now\n"},
		{"escaped in a command", "c.yaml", `run: sh -c "KEY=\"sk\" node x"` + "\n", `run: sh -c "KEY=\"sandbox\" node x"` + "\n"},
		{"half quoted", "c.json", `{"a": "env KEY=abc'def ghi' cmd"}`, ""},
		{"escaped blank", "c.json", `{"a": "KEY=a\\ b cmd"}`, ""},
		{"of a command", "c.json", `{"a": "KEY=$(echo sk) cmd"}`, ""},
		{"no assignment", "c.json", `{"a": "'KEY' => 'x'"}`, ""},
		{"references", "c.yaml", "a: postgres://u:${PASSWORD:?required}@db\nb: docker run -e KEY=$KEY -e PASSWORD=\"${PASSWORD}\" img\nc: '[ -z \"${KEY:-}\" ] && [ \"$KEY\" = \"\" ]'\nd: KEY=${{ secrets.KEY }} make\n",
			"a: postgres://u:${PASSWORD:?required}@db\nb: docker run -e KEY=$KEY -e PASSWORD=\"${PASSWORD}\" img\nc: '[ -z \"${KEY:-}\" ] && [ \"$KEY\" = \"\" ]'\nd: KEY=${{ secrets.KEY }} make\n"},
		{"a script in yaml", "c.yaml", "run: |\n  set -e\n  docker run -e KEY=$KEY img\n  echo \"PASSWORD=x\" >> $F\n", "run: |\n  set -e\n  docker run -e KEY=$KEY img\n  echo \"PASSWORD=sandbox\" >> $F\n"},
		{"a command's words", "c.yaml", "command: [sh, -c, KEY=x exec node]\nenvironment: [KEY=x y]\n", "command: [sh, -c, KEY=sandbox exec node]\nenvironment: [\"KEY=sandbox\"]\n"},
		{"a command's words in json", "c.json", `{"command": ["sh", "KEY=x exec"], "env": ["KEY=x y"]}`, `{"command": ["sh", "KEY=sandbox exec"], "env": ["KEY=sandbox"]}`},
		{"json in a line of yaml", "c.yaml", `c: '[{"name":"KEY","value":"x"}]'` + "\n", `c: '[{"name":"KEY","value":"sandbox"}]'` + "\n"},
		{"comments alone", "c.yaml", "# a:\n#   KEY: x\n", "# a:\n#   KEY: sandbox\n"},
		{"an anchor that goes", "c.yaml", "KEY: {a: &x 1}\nb: *x\n", ""},
		{"front matter in json", "c.json", `{"a": "---\ntitle: x\n---\n[a](b): *c"}`, `{"a": "---\ntitle: x\n---\n[a](b): *c"}`},
		{"json with a comment, of others", "tsconfig.json", "{ // note\n\"a\": 1}", "{ // note\n\"a\": 1}"},
		{"a template of others", "t.yaml", "{{ if a }}\na: [\n", "{{ if a }}\na: [\n"},
		{"over lines in backticks", ".env", "KEY=`one\ntwo`\nB=1\n", "KEY=`sandbox`\nB=1\n"},
		{"a key over lines", ".env", "KEY=-----BEGIN X\nMII\n-----END X\n", ""},
		{"indented", "my.cnf", "[client]\n  PASSWORD = x\n  user = y\n    z\n  KEY = a\n    b\n", "[client]\n  PASSWORD = sandbox\n  user = y\n    z\n  KEY = sandbox\n"},
		{"a comment in a block", "nginx.conf", "server {\n    # KEY: see docs\n    listen 80;\n}\n", "server {\n    # KEY: sandbox\n    listen 80;\n}\n"},
		{"quoted in a comment", ".env", "# KEY: \"x\" from there\n", "# KEY: sandbox\n"},
		{"php", "www.conf", "env[KEY] = x\n", "env[KEY] = sandbox\n"},
		{"npm", ".npmrc", "//registry.npmjs.org/:KEY=x\n", "//registry.npmjs.org/:KEY=sandbox\n"},
		{"make", "Makefile", "KEY := x\nPASSWORD ?= y\n", "KEY := sandbox\nPASSWORD ?= sandbox\n"},
		{"a copy of yaml", "compose.yml.bak", "KEY: x\n", "KEY: \"sandbox\"\n"},
		{"words before", ".envrc", "if [ \"$KEY\" = x ]; then\n", "if [ \"$KEY\" = x ]; then\n"},
		{"given to another", "a.conf", "Environment=KEY=x\n", ""},
		{"escaped in quotes", ".env", `A="{\"KEY\":\"x\"}"` + "\n", ""},
		{"behind a quote", ".env", "KEY='a'\"'\"'b'\n", ""},
		{"a list of lines", "a.toml", "KEY = [\n\"a\",\n]\n", ""},
		{"a hash", "ldap.conf", "PASSWORD = {SSHA}abc\n", "PASSWORD = sandbox\n"},
		{"appended", ".env", "A=1 KEY+=x\n", ""},
		{"in braces", "a.conf", "db { PASSWORD: x }\n", ""},
		{"kubernetes", "c.yaml", "env:\n  - name: KEY\n    value: x\n  - {value: y, name: PASSWORD}\n  - name: OTHER\n    value: z\n",
			"env:\n  - name: KEY\n    value: \"sandbox\"\n  - {value: \"sandbox\", name: PASSWORD}\n  - name: OTHER\n    value: z\n"},
		{"named in json", "c.json", `[{"name":"KEY", "value": "x"}, {"value" : ["KEY=a", 1], "name" : "PASSWORD"}, {"name": ["KEY"], "value": 1}]`,
			`[{"name":"KEY", "value": "sandbox"}, {"value" : "sandbox", "name" : "PASSWORD"}, {"name": ["KEY"], "value": 1}]`},
		{"a file in json", "c.json", `{"env": "A=1\nKEY=x\n", "more": "{\"KEY\": 1}"}`, `{"env": "A=1\nKEY=sandbox\n", "more": "{\"KEY\": \"sandbox\"}"}`},
		{"a command in json", "c.json", `{"run": "KEY=x node server.js", "a": ["PASSWORD=a b"]}`, `{"run": "KEY=sandbox node server.js", "a": ["PASSWORD=sandbox"]}`},
		{"yaml, by reference", "c.yaml", "a: &a x\nKEY: *a\n", ""},
		{"no yaml", "c.yaml", "KEY: [1\n", ""},
		{"no json", "c.json", `{"KEY": "x"`, ""},
		{"json with a comment", "c.json", "{ // note\n\"KEY\": 1}", ""},
		{"no text", ".env", "KEY=\x00", ""},
		{"an open quote", ".env", "A=1\nKEY=\"x\n", ""},
		{"an open quote of another's", ".env", "A=\"x\nKEY=y\n", "A=\"x\nKEY=sandbox\n"},
	} {
		got, n, err := formatOf(c.file)([]byte(c.text), secrets)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: %q, want an error", c.name, got)
			}
			continue
		}
		if err != nil || string(got) != c.want || (n > 0) != (c.text != c.want) {
			t.Errorf("%s: %d, %v\n%s\nwant\n%s", c.name, n, err, got, c.want)
		}
	}
}

// Of whatever text, what was said to be replaced is: a second time nothing changes, and a structured file stays one.
func FuzzFormats(f *testing.F) {
	for _, text := range []string{"KEY=1\n", `{"KEY":[1,"KEY=2"]}`, "KEY:\n  a: 1\n", "KEY=\"a\nb\"\n", "[a]\nKEY: 1\n  2\n", "- KEY=1\n", "a: |\n  KEY=1\n", "{name: KEY, value: 1}", `[{"value":"KEY=2","name":"KEY"}]`, `{"a":"A=1\nKEY=2"}`, "a.KEY[]=1", "KEY:  b  \n#"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range []string{".env", "a.ini", "a.json", "a.yaml"} {
			edit := formatOf(name)
			once, n, err := edit(text, secrets)
			if err != nil {
				continue
			}
			twice, m, err := edit(once, secrets)
			if name == "a.yaml" { // where the library sets comments apart by more and more lines
				once, twice = bytes.ReplaceAll(once, []byte("\n\n"), []byte("\n")), bytes.ReplaceAll(twice, []byte("\n\n"), []byte("\n"))
			}
			if err != nil || m != n || !bytes.Equal(once, twice) {
				t.Errorf("%s: %q is %q (%d), and then %q (%d, %v)", name, text, once, n, twice, m, err)
			}
			if n > 0 && !bytes.Contains(once, []byte("sandbox")) {
				t.Errorf("%s: %d replaced in %q", name, n, once)
			}
			if name == "a.json" && json.Valid(text) && !json.Valid(once) {
				t.Errorf("%q is no JSON any more: %q", text, once)
			}
			var tree yaml.Node
			if name == "a.yaml" && n > 0 && !strings.Contains(string(once), "\n---") {
				if err := yaml.Unmarshal(once, &tree); err != nil {
					t.Errorf("%q is no YAML any more: %q: %v", text, once, err)
				}
			}
		}
	})
}
