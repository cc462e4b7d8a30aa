# image.sh FILE: an image of busybox, for docker import.
set -e
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"; mkdir "$dir/bin" "$dir/tmp"
cp "$(command -v busybox)" "$dir/bin/"
for applet in $("$dir/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$dir/bin/$applet"; done
tar -C "$dir" -cf "$1" .
