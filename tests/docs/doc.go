// Package docs holds packaging/docs to what is so: each command that stands there is run on a host that booted for it, and what it prints has to be what the
// document shows; messages, tests and exit codes that they name are there.
//
// A block of commands is fenced, and says in its first line who types them: console host (root of the host, with the prompt "# "), console person and
// console agent (alice, on her workstation, with "$ "; an agent is she with CLAUDECODE in the environment). A line with "> " goes on with the one before.
// What comes below is what it prints, both outputs as they come: "..." stands for what varies within a line or, alone, for lines; times, identifiers and
// digests are equal to each other anyway. In a block of console WHO eventually that may take a moment. A last line [exit code N] says that it does not end with 0. UPDATE=1 writes what was seen into the documents.
package docs
