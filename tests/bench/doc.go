// Package bench measures what the product promises to be fast at, each time against a real rival in the same run on the same
// machine: Debian's sshd, and cp --reflink.
//
// Figures are ratios. Rounds are interleaved, one of ours and one of the rival's, and the median of the rounds' ratios is
// what counts; the result of every operation is checked, so that nothing is fast by failing. The rival runs at its best: sshd
// with the same key, key exchange and cipher, an account with an empty home, and no PAM.
package bench
