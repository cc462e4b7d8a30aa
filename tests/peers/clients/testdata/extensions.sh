# All that OpenSSH's sftp asks for which version 3 of the protocol does not have. Each is done by the client only if the server says that
# it knows it: rename over what is there is posix-rename, cp is copy-data, ln hardlink, put -f fsync, -h lsetstat, df statvfs.
echo small >small
sftp -vvv -F $CONFIG -i $KEY -b - $LOGIN@gate >out 2>log <<END || { tail -n 50 log >&2; exit 1; }
put small over
put -f $BIG a
rename a over
ln over b
ln -s over c
chgrp -h 988 c
cp over d
df .
version
END
for name in posix-rename statvfs fstatvfs hardlink fsync lsetstat limits expand-path copy-data; do
  grep -q "extension \"$name@openssh.com\"\|extension \"$name\"" log || echo "the server does not have $name"
done
for name in posix-rename statvfs hardlink fsync lsetstat limits copy-data; do
  grep -q "Sent message $name\|Sending SSH2_FXP_EXTENDED($name\|Sent.*$name\|Sending.*$name" log || echo "the client did not send $name"
done
grep -q '%Capacity' out || echo 'no df'
"${ssh[@]}" gate 'stat -c "%h %s %u" over; stat -c "d %g" c; cmp over d && echo same'
