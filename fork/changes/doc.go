// Package changes says what has become of one tree of files in another: added, changed, moved, removed. It reads that from a stream of
// btrfs send --no-data -p (Linux, fs/btrfs/send.h), which is what the kernel finds by comparing both, so that what they share costs nothing,
// and what is gone is told as well.
//
// The stream is a list of deeds that turn the one tree into the other by way of names that are in neither. They are done here to a tree of which
// only that is known which the stream has spoken of, and the difference is read from that at the end. The package opens no file, and knows no content:
// names come from whoever worked in the trees, and are any bytes.
package changes
