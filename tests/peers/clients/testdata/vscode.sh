# VS Code's Remote-SSH, by what it runs, with a stand-in for its server: `ssh -T -D PORT host bash`, a script on its standard input that
# prints what the window waits for, the server's archive by scp because the fork reaches no download, and the windows' connections through
# -D to the port that the server says. The shell stays, and so does the server.
mkdir -p up/bin; cp $TESTDATA/standin.py up/bin/code-server; chmod 755 up/bin/code-server; tar -C up -czf server.tar.gz bin
coproc window { exec "${ssh[@]}" -T -D $LOCAL gate bash 2>window; }
pid=$window_PID; end+='kill $pid 2>/dev/null || :;'
id=8103e3b00ff0
until_line() { local line; while IFS= read -r -t 200 line <&${window[0]}; do echo "$line" >>said; [[ $line != *"$1"* ]] || return 0; done; cat said window >&2; exit 1; }
cat >&${window[1]} <<END
echo "$id: running"
export VSCODE_AGENT_FOLDER=\$HOME/.vscode-server; COMMIT=7f329fe6c66b0f86ae1574c2911b681ad5a45d63
PLATFORM=\$(uname -s); ARCH=\$(uname -m); umask 0077; dir=\$VSCODE_AGENT_FOLDER/bin/\$COMMIT
mkdir -p \$dir; cd \$dir
if ! wget --timeout=2 --tries=1 -nv -O vscode-server.tar.gz https://update.code.visualstudio.com/commit:\$COMMIT/server-linux-x64/stable >/dev/null 2>&1; then
  echo "$id:trigger_server_download"; echo "destFolder==\$dir=="; echo "$id:trigger_server_download_end"
  until [ -e vscode-scp-done.flag ]; do sleep .05; done
fi
tar -xf vscode-server.tar.gz --no-same-owner; echo \$RANDOM\$RANDOM >../token
bin/code-server --start-server --host=127.0.0.1 --accept-server-license-terms --enable-remote-auto-shutdown --port=0 --connection-token-file ../token &>../log </dev/null &
for i in \$(seq 6000); do LISTENING_ON=\$(sed -n 's/Extension host agent listening on //p' ../log); [ -z "\$LISTENING_ON" ] || break; sleep .03; done
echo "$id: start"; echo "listeningOn==\$LISTENING_ON=="; echo "arch==\$ARCH=="; echo "platform==\${PLATFORM,,}=="; echo "connectionToken==\$(cat ../token)=="; echo "$id: end"
END
until_line "$id: running"
until_line "$id:trigger_server_download_end"
value() { sed -n "s/^$1==\(.*\)==$/\1/p" said; }
copy() { scp -q -F $CONFIG -i $KEY $1 "$LOGIN@gate:$(value destFolder)/$2"; }
copy server.tar.gz vscode-server.tar.gz
: >flag; copy flag vscode-scp-done.flag
until_line "$id: end"
echo $(value platform) $(value arch)
/usr/bin/python3 $TESTDATA/windows.py $LOCAL $(value listeningOn) $(value connectionToken)
# What an agent started ends with its session.
kill $pid; wait $pid || :
left() { "${ssh[@]}" gate 'pgrep -f [c]ode-server'; }
if [[ $("${ssh[@]}" gate 'echo $HOME') = *.agent ]]; then
  for _ in $(seq 600); do [ -n "$(left)" ] || break; sleep 0.1; done
  left || echo gone
fi
