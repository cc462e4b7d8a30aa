// Package tape is the format of recordings: asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/), a line of JSON for what was
// recorded and one for each piece of output. Beside the events "o" (output, of a terminal or standard output) and "r" (the window's size) there is
// "e", standard error of a session without a terminal, and "f", what an sftp session does to files (File); players that do not know these
// leave them out.
//
// Text that is no UTF-8 cannot be JSON: each byte that is none becomes U+FFFD. Characters that are cut between two pieces are put together.
//
// It writes what it is given, in the order in which it comes, and holds nothing back: a recording that breaks off lacks what came after. Only where
// something is to be redacted a line that has no end yet is held back, so that no secret escapes in two halves: up to 4 KiB of it.
//
// A recording that is encrypted has a first line as any other, which says who, where and to whom, and then pieces instead of lines: see seal.
package tape
