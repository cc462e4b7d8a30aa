// Package sftp reads along as a client and a server speak SFTP, version 3 (draft-ietf-secsh-filexfer-02), with the extensions of OpenSSH
// (its PROTOCOL, section 4), and tells what is done to files.
//
// It is no client, and a server only to whom all is refused (Refuse): it changes no byte and holds none up. It is told of bytes before they are passed on, in each
// direction, so that a request is known before its answer can come, and an operation is told of before the client has the answer that ends it.
//
// It trusts neither side. What is no SFTP, answers nothing, speaks of a file that is not open, or needs more memory than a session may
// take, is an error: from there on nothing is known of what the two do, and nothing more is told. Paths are as the client wrote them:
// where symbolic links lead on the server shows to nobody here.
package sftp
