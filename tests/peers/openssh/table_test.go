package openssh_test

// row is a script of OpenSSH's.
type row struct {
	script    string
	state     state
	why       string // it is changed, or does not run
	edit      string // for sed
	cut       string // for sed: takes out what waits
	handshake bool   // it is about what comes before a command, and passes where those are refused
}

type state string

const (
	runs   state = "runs"
	partly state = "partly" // it runs without what is cut; where that has come to work, runs is the one word to write instead
	waits  state = "waits"  // for what the gate does not do yet; where it does, runs is the one word to write instead
	never  state = "never"  // it cannot apply
)

// Reasons of several scripts.
const (
	configures = "what it tries is in sshd_config, which a gate does not have"
	authorizes = "what it tries is in authorized_keys, which a gate does not have: whose a key is, is policy"
	alone      = "it asks no server anything"
	known      = "the keys are those that the policy knows"
	fewer      = "each number takes five seconds: two are enough"
	putty      = "test-exec.sh tells PuTTY of RSA alone, so the gate's key is given by its fingerprint; PuTTY's own is one that the policy knows"
)

// wrapper is what stands for ssh in two scripts about scp: where it is not asked to be a bad server, it is ssh.
const wrapper, wrapperEdit = "scp-ssh-wrapper.sh", `s|^\texec \$SCP "\$@"|\texec /usr/bin/ssh -F $OBJ/ssh_proxy somehost scp "$@"|`

const (
	puttyEdit    = `s/-batch/-batch -hostkey "$(ssh-keygen -lf $OBJ\/ssh-ed25519.pub | cut -d" " -f2)"/; s/putty.rsa2/putty.ppk/; `
	authinfoEdit = `/^verbose "ExposeAuthInfo=yes"/s/.*/${SSH} -F $OBJ\/ssh_proxy x "! env | grep SSH_USER_AUTH" >\/dev\/null || fail "nothing ran"/
		/^echo ExposeAuthInfo/,$d`
	agentEdit = `s|\${SSHKEYGEN} -q -N '' -t \$t -f \$OBJ/\$t-agent|cp -p $OBJ/$t $OBJ/$t-agent \&\& cp $OBJ/$t.pub $OBJ/$t-agent.pub|
		s|\${SSHKEYGEN} -q -N '' -t ed25519 -f \$OBJ/user_ca_key|cp -p $OBJ/ca $OBJ/user_ca_key \&\& cp $OBJ/ca.pub $OBJ/user_ca_key.pub|; s/estragon/regress/`
	certEdit = `s|\${SSHKEYGEN} -q -N '' -t ed25519 -f \$OBJ/user_ca_key1|cp -p $OBJ/ca $OBJ/user_ca_key1 \&\& cp $OBJ/ca.pub $OBJ/user_ca_key1.pub|
		s/-n \${USER}/-n regress/; s|^opts="-F \$OBJ/ssh_proxy|opts="-F $OBJ/no_identity_config|
		/^# Make a clean/,/no_identity_config$/d; s|^trace 'try with identity files'|grep -v IdentityFile $OBJ/ssh_proxy >$OBJ/no_identity_config|`
	keytypeEdit = `/^for kt in \$ktypes/,/^done/d; s|IdentityFile \$OBJ/key.\$ut|IdentityFile $OBJ/$user_type|
		s|cat \$OBJ/key.\$ht.pub|cat $OBJ/$host_type.pub|; /cat \$OBJ\/key/d`
	forwardingEdit = `/^DATA=/d; s/ -N -M -F \$OBJ.ssh_config -f/& -oExitOnForwardFailure=yes/; /-R\[\$OBJ.unix-2.fwd\]/a for i in 1 2 3 4 5 6 7 8 9; do test -S $OBJ/unix-2.fwd && break; sleep 1; done`
	rekeyEdit      = `s/^for s in 5 10; do/for s in 5; do/; 0,/^for s in 16 1k/!{/^for s in 16 1k/,/^rm -f \${COPY} \${DATA}/d}`
	multiplexEdit  = `s/_XXX_TEST/LC_XXX_TEST/g; s/^for s in 0 1 4 5 44; do/for s in 0 44; do/; s/Invalid SSH identification string/^SSH-2.0-/`
)

// table has those that take longest first.
var table = []row{
	{script: "multiplex", state: runs, why: fewer + "; LC_ names as in envpass; what is no SSH hears the gate's version and no more", edit: multiplexEdit},
	{script: "rekey", state: runs, why: "when a server renews keys is in sshd_config; once is enough of what sleeps", edit: rekeyEdit},
	{script: "percent", state: runs},
	{script: "scp", state: runs},
	{script: "sftp-cmds", state: runs},
	{script: "integrity", state: runs, why: "five places for a flipped bit are enough", edit: `s/^tries=10/tries=5/`},
	{script: "exit-status", state: runs, why: fewer, edit: `s/^for s in 0 1 4 5 44; do/for s in 0 44; do/`},
	{script: "login-timeout", state: runs, why: "telnet may be missing, and the script would not notice", edit: `s/telnet 127/$NC 127/`},
	{script: "stderr-data", state: runs},

	{script: "agent", state: partly, why: "an agent does not bring its ssh-agent along; " + known, edit: agentEdit, cut: `/^trace "agent forwarding"/,/^(printf .cert-authority/{/^(printf/!d}`},
	{script: "authinfo", state: runs, why: "it would not notice that its command never ran; ExposeAuthInfo is in sshd_config", edit: authinfoEdit},
	{script: "cert-file", state: runs, why: "one of the authorities is the policy's, and a certificate names a principal of it", edit: certEdit},
	{script: "cipher-speed", state: runs, why: "nobody reads here how fast it was: once, and little, which may be gigabytes a second", edit: `s/^tries="1 2"/tries=1/; s/size 10000/size 1000/; s/ MB\.s/ [kMG]B.s/`},
	{script: "connect", state: runs},
	{script: "connect-uri", state: runs},
	{script: "dynamic-forward", state: runs},
	{
		script: "envpass", state: runs, why: "the gate lets LC_ names through, where sshd is told to let _XXX_TEST through; SetEnv is in sshd_config",
		edit: `s/_XXX_TEST/LC_XXX_TEST/g; /^trace "server setenv/,/^rm -f/{/^rm -f/!d}`,
	},
	{
		script: "exit-status-signal", state: runs, why: "it would not notice that its command never ran",
		edit: `s|^kill \$ssh_pid|test -s $OBJ/remote_pid \|\| fail "nothing ran"; &|; s|^rm -f \$OBJ/remote_pid|&; test ! -e $OBJ/remote_pid|`,
	},
	{script: "host-expand", state: runs, handshake: true},
	{script: "kextype", state: runs},
	{script: "keyscan", state: runs, handshake: true},
	{script: "keytype", state: runs, why: known, edit: keytypeEdit},
	{script: "knownhosts", state: runs},
	{script: "knownhosts-command", state: runs},
	{script: "localcommand", state: runs, handshake: true},
	{script: "portnum", state: runs},
	{script: "proto-version", state: runs, handshake: true},
	{
		script: "proxy-connect", state: runs, why: "a session does not hear where its caller is; a name with a style in it is no name of a fork",
		edit: `s/"UNKNOWN 65535 UNKNOWN 65535"/""/; s/\${USER}:style@/${USER}@/`,
	},
	{script: "putty-ciphers", state: runs, why: putty + "; 3DES is not spoken", edit: puttyEdit + `s/ 3des / /`},
	{script: "putty-kex", state: runs, why: putty + "; finite fields are not spoken", edit: puttyEdit + `s/dh-gex-sha1 dh-group1-sha1 dh-group14-sha1 //`},
	{script: "putty-transfer", state: runs, why: putty, edit: puttyEdit},
	{script: "scp-uri", state: runs},
	{script: "scp3", state: runs},
	{script: "sftp", state: runs, why: "packets of 5 bytes are for a server at the other end of a pipe", edit: `s/BUFFERSIZE="5 /BUFFERSIZE="500 /`},
	{script: "sftp-badcmds", state: runs},
	{script: "sftp-batch", state: runs},
	{script: "sftp-glob", state: runs},
	{script: "sftp-uri", state: runs},
	{script: "stderr-after-eof", state: runs},
	{script: "transfer", state: runs},
	{script: "try-ciphers", state: runs},
	{script: "yes-head", state: runs},

	{script: "forwarding", state: runs, why: "a session's ls is not the host's; each -R is a session and takes longer than sshd's, so ssh waits for them", edit: forwardingEdit},

	{script: "addrmatch", state: never, why: configures},
	{script: "agent-getpeereid", state: never, why: alone},
	{script: "agent-pkcs11", state: never, why: "it wants a PKCS#11 module, SoftHSM, and an ssh-agent alone"},
	{script: "agent-ptrace", state: never, why: alone},
	{script: "agent-restrict", state: never, why: configures + ": a command for each key, and five hosts"},
	{script: "agent-subprocess", state: never, why: alone},
	{script: "agent-timeout", state: never, why: alone},
	{script: "allow-deny-users", state: never, why: configures},
	{script: "banner", state: never, why: configures},
	{script: "broken-pipe", state: never, why: "it cannot fail: it looks at the exit code of true"},
	{script: "brokenkeys", state: never, why: authorizes},
	{script: "cert-hostkey", state: never, why: "a gate's host keys have no certificates"},
	{script: "cert-userkey", state: never, why: configures},
	{script: "cfginclude", state: never, why: alone},
	{script: "cfgmatch", state: never, why: configures},
	{script: "cfgmatchlisten", state: never, why: configures},
	{script: "cfgparse", state: never, why: configures},
	{script: "channel-timeout", state: never, why: configures},
	{script: "conch-ciphers", state: never, why: "Twisted's conch has no cipher and MAC that a gate speaks: neither GCM nor encrypt-then-MAC"},
	{script: "connect-privsep", state: never, why: configures},
	{script: "connection-timeout", state: never, why: configures},
	{script: "dhgex", state: never, why: "a gate speaks no Diffie-Hellman over finite fields"},
	{script: "forcecommand", state: never, why: configures},
	{script: "forward-control", state: never, why: configures + ": where to a forward may lead is policy"},
	{script: "hostbased", state: never, why: "a host's word for a user is nothing to a gate"},
	{script: "hostkey-agent", state: never, why: configures},
	{script: "hostkey-rotate", state: never, why: "a gate does not announce host keys, and has two for good"},
	{script: "key-options", state: never, why: authorizes},
	{script: "keygen-change", state: never, why: alone},
	{script: "keygen-comment", state: never, why: alone},
	{script: "keygen-convert", state: never, why: alone},
	{script: "keygen-knownhosts", state: never, why: alone},
	{script: "keygen-moduli", state: never, why: alone},
	{script: "keygen-sshfp", state: never, why: alone},
	{script: "keys-command", state: never, why: configures},
	{script: "krl", state: never, why: alone},
	{script: "limit-keytype", state: never, why: configures},
	{script: "multipubkey", state: never, why: configures},
	{script: "principals-command", state: never, why: configures},
	{script: "proto-mismatch", state: never, why: "it looks at the exit code of an sshd"},
	{script: "reconfigure", state: never, why: "it sends a signal to an sshd"},
	{script: "reexec", state: never, why: "it is about how sshd starts itself"},
	{script: "servcfginclude", state: never, why: configures},
	{script: "sftp-chroot", state: never, why: configures},
	{script: "sftp-perm", state: never, why: "it is about options of an sftp-server, which a session's is not given"},
	{script: "ssh-com", state: never, why: "it wants ssh.com's programs"},
	{script: "ssh-com-client", state: never, why: "it wants ssh.com's programs"},
	{script: "ssh-com-keygen", state: never, why: "it wants ssh.com's programs"},
	{script: "ssh-com-sftp", state: never, why: "it wants ssh.com's programs"},
	{script: "sshcfgparse", state: never, why: alone},
	{script: "sshfp-connect", state: never, why: "it wants a zone with DNSSEC"},
	{script: "sshsig", state: never, why: alone},
}
