// Package docs holds README and packaging/docs to what is so: each command that stands there is typed on a host that booted for it, and what it prints has to be what the
// document shows; commands in sentences, messages, tests, links and exit codes are there, and pictures are what their texts make.
//
// A block of commands is fenced, and says in its first line who types them: console host (root of the host, with the prompt "# "), console person and
// console agent (alice, on her workstation, with "$ "; an agent is she with CLAUDECODE in the environment). A line with "> " goes on with the one before.
// What comes below is what it prints, both outputs as they come: "..." stands for what varies within a line or, alone, for lines; times, identifiers and
// digests are equal to each other anyway. In a block of console WHO eventually that may take a moment. A last line [exit code N] says that it does not end
// with 0. What cannot be typed here, such as make demo, is in a block of console elsewhere TEST...: that names tests, stories of tests/scripts or .ci/run, one of
// which types it, and shows nothing of what comes. A block of hcl is a file of policy, which loads beside the shipped one: AAAA..., SHA256:... and age1... stand
// for keys. A block of text has nothing that anybody types. UPDATE=1 writes what was seen into the documents, TIMES=1 tells how long each took.
package docs
