# ProxyJump through the gate, into an sshd that the agent runs in the fork as it is: unprivileged, on a high port. It brings it along, as
# the rootfs has none, with the libraries that it wants.
mkdir -p bring/lib
cp /usr/sbin/sshd bring/
for part in sshd-session sshd-auth; do [ ! -e /usr/lib/openssh/$part ] || cp /usr/lib/openssh/$part bring/; done
ldd bring/sshd* | awk '/=> \// {print $3}' | sort -u | grep -v '/lib\(c\|m\|resolv\|pthread\|dl\|rt\)\.so' | xargs cp -Lt bring/lib
ssh-keygen -q -t ed25519 -N '' -f bring/host
cp $KEY.pub bring/authorized
cat >bring/run <<'END'
cd "$(dirname "$0")"; here=$PWD
# A server in parts starts them without an environment.
for part in sshd-session sshd-auth; do
  [ ! -e $part ] || printf '#!/bin/sh\nLD_LIBRARY_PATH=%s/lib exec %s/%s "$@"\n' $here $here $part >run-$part
done
cat >config <<CONFIG
Port 2200
ListenAddress 127.0.0.1
HostKey $here/host
AuthorizedKeysFile $here/authorized
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
CONFIG
[ ! -e sshd-session ] || echo "SshdSessionPath $here/run-sshd-session" >>config
[ ! -e sshd-auth ] || echo "SshdAuthPath $here/run-sshd-auth" >>config
chmod 600 host; chmod 755 run-* 2>/dev/null
rexec=; [ -e sshd-session ] || rexec=-r
LD_LIBRARY_PATH=$here/lib exec $here/sshd -D -e $rexec -f config
END
tar -C bring -c . | "${ssh[@]}" gate 'mkdir bring; tar -x -C bring'
behind "${ssh[@]}" gate 'exec sh bring/run'
printf '[127.0.0.1]:2200 %s\n' "$(cat bring/host.pub)" >inside
jump=(-F $CONFIG -i $KEY -o UserKnownHostsFile=$PWD/inside -J $LOGIN@$NAME)
for _ in $(seq 600); do ssh "${jump[@]}" -p 2200 rediacc@127.0.0.1 true 2>>tries && break; sleep 0.1; done
ssh "${jump[@]}" -p 2200 rediacc@127.0.0.1 'set -- $SSH_CONNECTION; echo $(id -u) $1 $4' || tail behind tries >&2
scp -q "${jump[@]}" -P 2200 $BIG rediacc@127.0.0.1:/tmp/copied
scp -q "${jump[@]}" -P 2200 rediacc@127.0.0.1:/tmp/copied back
cmp $BIG back && echo same
# Production is no way into the fork, and the client hears why.
jump=(-F $CONFIG -i $KEY -o UserKnownHostsFile=$PWD/inside -J demo@$NAME)
ssh "${jump[@]}" -p 2200 rediacc@127.0.0.1 id 2>refusal || { grep -q 'demo is a grand (production) repository' refusal && echo refused; }
