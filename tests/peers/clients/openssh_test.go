package clients

// openSSH are OpenSSH's own programs.
var openSSH = []row{
	{
		name: "ssh", keys: kinds,
		shows: map[string]string{"refused": "told, 254", "forward refused": "told, 255"},
		does: map[string]string{
			"exec":  `"${ssh[@]}" gate ` + apart,
			"pty":   `"${ssh[@]}" -tt gate ` + terminal,
			"stdin": `"${ssh[@]}" gate cat <$HUGE | sha256sum`,
			"-L":    `behind "${ssh[@]}" -N -L $LOCAL:localhost:7000 gate; open $LOCAL; line`,
			"-D":    `behind "${ssh[@]}" -N -D $LOCAL gate; socks $LOCAL`,
			"-W":    `echo through | "${ssh[@]}" -W localhost:7000 gate`,
			// One socket leads to another.
			"socket": `behind "${ssh[@]}" -N -L $PWD/s:/tmp/s gate; until [ -S s ]; do sleep 0.05; done
				echo through | socat -t 200 - UNIX-CONNECT:$PWD/s`,
			"refused":         `"${ssh[@]}" gate ` + whose,
			"forward refused": `"${ssh[@]}" -W localhost:7000 gate`,
			"keys":            `"${ssh[@]}" gate ` + whose,
		},
	},
	{
		name:  "scp",
		shows: map[string]string{"refused": "told, 1"},
		does: map[string]string{
			"copy":    `scp -q -F $CONFIG -i $KEY $BIG $LOGIN@gate:copied; scp -q -F $CONFIG -i $KEY $LOGIN@gate:copied got`,
			"refused": `scp -F $CONFIG -i $KEY $LOGIN@gate:orders.txt /dev/stdout`,
		},
	},
	{
		name:  "scp-old",
		shows: map[string]string{"refused": "told, 1"},
		does: map[string]string{
			"copy":    `scp -O -q -F $CONFIG -i $KEY $BIG $LOGIN@gate:copied; scp -O -q -F $CONFIG -i $KEY $LOGIN@gate:copied got`,
			"refused": `scp -O -F $CONFIG -i $KEY $LOGIN@gate:orders.txt /dev/stdout`,
		},
	},
	{
		name:  "sftp",
		shows: map[string]string{"refused": "told, 255"},
		does: map[string]string{
			"files":   filesBy(`sftp -q -F $CONFIG -i $KEY -b - $LOGIN@gate`),
			"refused": `sftp -F $CONFIG -i $KEY -b - $LOGIN@gate <<<ls`,
		},
	},
	{
		name:  "sshfs",
		shows: map[string]string{"refused": "silent, 1"},
		does: map[string]string{
			// A mount of its own that goes with the script.
			"files": `mkdir -p m; export BIG; cat >mounted <<'END'
				sshfs $LOGIN@gate: m -o ssh_command="ssh -F $CONFIG -i $KEY"
				mkdir m/d m/d/e; cp $BIG m/d/up; mv m/d/up m/d/moved; ls m/d; cp m/d/moved got; cp $BIG m/d/gone; rm m/d/gone; rmdir m/d/e
				umount m
END
				unshare --mount --propagation private bash -e mounted`,
			"refused": `mkdir -p m; unshare --mount --propagation private sh -ec 'sshfs $LOGIN@gate: m -o ssh_command="ssh -F $CONFIG -i $KEY"; cat m/orders.txt'`,
		},
	},
	{
		name: "rsync",
		// It passes on what ssh ends with, or its own code if it is the first to notice that it ends.
		shows: map[string]string{"refused": "told, (254|12)"},
		does: map[string]string{
			"copy":    `rsync -e "ssh -F $CONFIG -i $KEY" $BIG $LOGIN@gate:copied; rsync -e "ssh -F $CONFIG -i $KEY" $LOGIN@gate:copied got`,
			"refused": `rsync -e "ssh -F $CONFIG -i $KEY" $LOGIN@gate:orders.txt /dev/stdout`,
		},
	},
	{
		name:  "git",
		shows: map[string]string{"refused": "told, 128"},
		does: map[string]string{
			// Into the repository that lies among the data, which the fork has with all that was in it; and out of it again.
			"copy": `export GIT_SSH_COMMAND="ssh -F $CONFIG -i $KEY"; rm -rf clone again
				git clone -q $LOGIN@gate:project.git clone; grep -qx orders clone/orders.txt; cp $BIG clone/; cd clone; git add .
				git -c user.name=a -c user.email=a@a commit -q -m second; git push -q; cd ..
				git clone -q $LOGIN@gate:project.git again; cp again/big got; "${ssh[@]}" gate 'git -C project.git show main:big >copied'`,
			"refused": `GIT_SSH_COMMAND="ssh -F $CONFIG -i $KEY" git clone $LOGIN@gate:project.git stolen; ls stolen`,
		},
	},
	{
		name:  "lftp",
		shows: map[string]string{"refused": "told, 1"},
		does: map[string]string{
			"files": `lftp -c "set sftp:connect-program 'ssh -a -x -F $CONFIG -i $KEY'; set cmd:fail-exit yes; open -u $LOGIN, sftp://gate
				mkdir d; mkdir d/e; put $BIG -o d/up; mv d/up d/moved; cls d; get d/moved -o got; put $BIG -o d/gone; rm d/gone; rmdir d/e"`,
			"refused": `lftp -c "set sftp:connect-program 'ssh -a -x -F $CONFIG -i $KEY'; set net:max-retries 1; open -u $LOGIN, sftp://gate; cat orders.txt"`,
		},
	},
}

// filesBy is the script for files of a program that takes OpenSSH's and PuTTY's words on its standard input.
func filesBy(program string) string {
	return program + ` <<END
mkdir d
mkdir d/e
put $BIG d/up
rename d/up d/moved
ls d
get d/moved got
put $HUGE d/gone
rm d/gone
rmdir d/e
END`
}
