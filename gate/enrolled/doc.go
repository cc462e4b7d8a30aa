// Package enrolled keeps the record of security keys whose makers have attested them: one file each, in a directory of root's.
//
// It checks nothing of what it is given: that the attestation was good is for who adds a key to have seen. It trusts the directory,
// which root alone enters. A file there that cannot be read is no key.
package enrolled
