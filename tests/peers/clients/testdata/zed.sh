# Zed, by what it runs (crates/remote/src/transport/ssh.rs), with a stand-in for its server: a master connection without a command, over which go
# questions, each of which goes home first, the server's upload by sftp to a path beside that, and the proxy, which speaks in binary on its standard streams.
master=(-F $CONFIG -i $KEY -l $LOGIN -o ControlPath=$PWD/zed)
behind ssh "${master[@]}" -N -o ControlMaster=yes -o ControlPersist=no gate
until [ -S zed ]; do sleep 0.05; done
over=(ssh "${master[@]}" -T -o ControlMaster=no gate)
server=.zed_server/zed-remote-server-dev-build
"${over[@]}" 'cd; uname -sm'
"${over[@]}" "cd; $server version" 2>/dev/null && exit 1 # it is not there yet
"${over[@]}" 'cd; mkdir -p .zed_server'
gzip -c $TESTDATA/standin.py >server.gz
sftp -q -F $CONFIG -o User=$LOGIN -o ControlPath=$PWD/zed -o ControlMaster=no -b - gate >/dev/null <<<"put server.gz $server-download-7.gz"
"${over[@]}" "cd; sh -c 'gunzip -f $server-download-7.gz && chmod 755 $server-download-7 && mv $server-download-7 $server'"
/usr/bin/python3 $TESTDATA/messages.py "${over[@]}" "cd; exec $server proxy --identifier dev-1"
"${over[@]}" "cd; test -x $server && echo extracted"
"${over[@]}" 'test ! -e .zed_server && echo home alone'
