# Zed, by what it runs, with a stand-in for its server: a master connection without a command, over which go questions, the server's upload
# by sftp, and the proxy, which speaks in binary on its standard streams.
master=(-F $CONFIG -i $KEY -l $LOGIN -o ControlPath=$PWD/zed)
behind ssh "${master[@]}" -N -o ControlMaster=yes -o ControlPersist=no gate
until [ -S zed ]; do sleep 0.05; done
over=(ssh "${master[@]}" -T -o ControlMaster=no gate)
"${over[@]}" 'uname -sm'
"${over[@]}" 'sh -c "mkdir -p .zed_server"'
gzip -c $TESTDATA/standin.py >server.gz
sftp -q -F $CONFIG -o User=$LOGIN -o ControlPath=$PWD/zed -o ControlMaster=no -b - gate >/dev/null <<<'put server.gz .zed_server/download.gz'
"${over[@]}" 'cd .zed_server && gunzip -f download.gz && chmod 755 download && mv download zed-remote-server'
/usr/bin/python3 $TESTDATA/messages.py "${over[@]}" '.zed_server/zed-remote-server proxy --identifier dev-1'
"${over[@]}" 'test -x .zed_server/zed-remote-server && echo extracted'
