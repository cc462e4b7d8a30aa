package clients

// putty are PuTTY's programs.
var putty = []row{
	{
		name: "plink", keys: kinds,
		shows: map[string]string{"refused": "told, 254", "forward refused": "told, 1"},
		does: map[string]string{
			"exec":            `ppk; plink "${putty[@]}" -T $HOST ` + apart,
			"pty":             `ppk; plink "${putty[@]}" -t $HOST ` + terminal,
			"stdin":           `ppk; plink "${putty[@]}" -T $HOST cat <$HUGE | sha256sum`,
			"-L":              `ppk; behind plink "${putty[@]}" -N -L $LOCAL:localhost:7000 $HOST; open $LOCAL; line`,
			"-D":              `ppk; behind plink "${putty[@]}" -N -D $LOCAL $HOST; socks $LOCAL`,
			"-W":              `ppk; echo through | plink "${putty[@]}" -nc localhost:7000 $HOST`,
			"refused":         `ppk; plink "${putty[@]}" -T $HOST ` + whose,
			"forward refused": `ppk; plink "${putty[@]}" -nc localhost:7000 $HOST`,
			"keys":            `ppk; plink "${putty[@]}" -T $HOST ` + whose,
		},
	},
	{
		name:  "pscp",
		shows: map[string]string{"refused": "told, 1"},
		does: map[string]string{
			"copy":    `ppk; pscp -q "${putty[@]}" $BIG $HOST:copied; pscp -q -scp "${putty[@]}" $HOST:copied got`,
			"refused": `ppk; pscp "${putty[@]}" $HOST:orders.txt /dev/stdout`,
		},
	},
	{
		name:  "psftp",
		shows: map[string]string{"refused": "told, 2"},
		does: map[string]string{
			"files":   filesBy(`ppk; psftp "${putty[@]}" -b /dev/stdin $HOST`),
			"refused": `ppk; psftp "${putty[@]}" -b /dev/stdin $HOST <<<ls`,
		},
	},
}

// libraries are clients with an SSH of their own. Those that are no program by themselves are driven by one in testdata.
var libraries = []row{
	{
		name: "dbclient", keys: kinds,
		shows: map[string]string{"refused": "told, 254"},
		does: map[string]string{
			"exec": `drop; "${dropbear[@]}" ` + apart,
			// It asks for a terminal only where it has one.
			"pty":   `drop; echo "${dropbear[*]@Q} -t "\"` + terminal + `\" >terminal; script -qec "sh terminal" /dev/null`,
			"stdin": `drop; "${dropbear[@]}" cat <$HUGE | sha256sum`,
			// It has no program for files: others call it.
			"copy":    `drop; rsync -e "${dropbear[*]:0:7}" $BIG $HOST:copied; rsync -e "${dropbear[*]:0:7}" $HOST:copied got`,
			"-L":      `drop; behind "${dropbear[@]:0:7}" -N -L $LOCAL:localhost:7000 $HOST; open $LOCAL; line`,
			"-W":      `drop; echo through | "${dropbear[@]:0:7}" -B localhost:7000 $HOST`,
			"refused": `drop; "${dropbear[@]}" ` + whose,
			"keys":    `drop; "${dropbear[@]}" ` + whose,
		},
	},
	library("paramiko", `/usr/bin/python3 $TESTDATA/paramiko_client.py`, map[string]string{
		"refused": "told, 254", "files refused": "told, 1", "forward refused": "told, 1",
	}),
	library("asyncssh", `/usr/bin/python3 $TESTDATA/asyncssh_client.py`, map[string]string{
		"refused": "told, 254", "files refused": "told, 1", "forward refused": "told, 1",
	}, "-L", "-D", "socket"),
	library("libssh", `$LIBSSH`, map[string]string{
		"refused": "told, 254", "files refused": "told, 1", "forward refused": "told, 1",
	}),
	{
		// curl, by libssh2. RSA keys are new in libssh2 1.11.
		name: "libssh2", keys: []string{"ed25519", "ecdsa"},
		shows: map[string]string{"refused": "silent, 78", "files refused": "silent, 9"},
		does: map[string]string{
			"files": curl + `; c --ftp-create-dirs -T $BIG $URL/d/up; c -o list $URL/ -Q "rename d/up d/moved" -Q "mkdir d/e" -Q "rmdir d/e"
				c -l $URL/d/; c -o got $URL/d/moved; c -T $BIG $URL/d/gone; c -o list $URL/ -Q "rm d/gone"`,
			"copy":          curl + `; URL=${URL/sftp:/scp:}; c -T $BIG $URL/copied; c -o got $URL/copied`,
			"refused":       curl + `; URL=${URL/sftp:/scp:}; c $URL/orders.txt`,
			"files refused": curl + `; c --max-time 15 $URL/orders.txt`,
			"keys":          curl + `; c $URL/../../home/ | sed s,^,/home/,`,
		},
	},
	{
		name: "rclone", keys: kinds,
		shows: map[string]string{"refused": "silent, 1"},
		does: map[string]string{
			"files": rclone + `; r mkdir :sftp:d/e; r copyto $BIG :sftp:d/up; r moveto :sftp:d/up :sftp:d/moved; r lsf :sftp:d
				r copyto :sftp:d/moved got; r copyto $BIG :sftp:d/gone; r deletefile :sftp:d/gone; r rmdir :sftp:d/e`,
			"refused": rclone + `; r cat :sftp:orders.txt`,
			"keys":    rclone + `; r lsf :sftp:/home | sed s,^,/home/,`,
		},
	},
}

const (
	// -u names the caller; the keys of libssh2 1.10 want their public half beside them.
	curl   = `URL=sftp://$HOST:$PORT/~; c() { curl -sS -u $LOGIN: --key $KEY --pubkey $KEY.pub "$@"; }`
	rclone = `r() { command rclone --config /dev/null -q --sftp-host $HOST --sftp-port $PORT --sftp-user $LOGIN --sftp-key-file $KEY --sftp-known-hosts-file .ssh/known_hosts --retries 1 --low-level-retries 1 "$@"; }`
)

// library is the row of a program in testdata that takes one of a few words and what belongs to it, and has the words in extra besides.
func library(name, program string, shows map[string]string, extra ...string) row {
	r := row{name: name, keys: kinds, shows: shows, does: map[string]string{
		"exec":            program + ` exec ` + apart,
		"pty":             program + ` pty ` + terminal,
		"stdin":           `cat $HUGE | ` + program + ` exec cat | sha256sum`,
		"files":           program + ` files`,
		"-W":              `echo through | ` + program + ` direct localhost 7000`,
		"refused":         program + ` exec ` + whose,
		"files refused":   program + ` files`,
		"forward refused": program + ` direct localhost 7000 </dev/null`,
		"keys":            program + ` exec ` + whose,
	}}
	for _, word := range extra {
		r.does[word] = map[string]string{
			"-L":     `behind ` + program + ` local $LOCAL localhost 7000; open $LOCAL; line`,
			"-D":     `behind ` + program + ` socks $LOCAL; socks $LOCAL`,
			"socket": `echo through | ` + program + ` unix /tmp/s`,
		}[word]
	}
	return r
}
