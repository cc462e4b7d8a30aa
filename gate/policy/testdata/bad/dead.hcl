permit "false" {
  when = false
}

permit "two ops" {
  when = op == "shell" && op == "exec"
}

permit "two principals" {
  when = caller.principal == "alice" && target.repo == "demo" && caller.principal == "bob"
}

permit "both at once" {
  when = target.grand && target.fork
}

permit "neither kind" {
  when = caller.kind != "agent" && caller.kind != "human"
}

permit "outside the list" {
  when = contains(["shell", "exec"], op) && (op == "sftp" || op == "fork")
}

permit "no such ops" {
  when = glob(op, "shel-*")
}

permit "prefix of no op" {
  when = startswith(op, "forwards")
}

permit "classes" {
  when = caller.class < 1 && caller.class >= 2
}

permit "class that nobody reaches" {
  when = caller.class >= 9
}

permit "an agent that is present" {
  when = caller.kind == "agent" && caller.class == 4
}

permit "enrolled, and not touched" {
  when = caller.enrolled && caller.class < 4
}

permit "flag" {
  when = target.grand && !(target.grand == true)
}

permit "a name that is none" {
  when = target.repo == "Demo"
}

permit "a ref that is not canonical" {
  when = target.ref == "demo+x"
}

permit "a ref without its tag" {
  when = target.ref == "demo:"
}

permit "in the group and not" {
  when = contains(caller.groups, "oncall") && !contains(caller.groups, "oncall")
}

permit "in no group that there is, and in one" {
  when = !(contains(caller.groups, "oncall") || contains(caller.groups, "backend")) && contains(caller.groups, "backend")
}

permit "in one group and not the other, which is well" {
  when = contains(caller.groups, "oncall") && !contains(caller.groups, "backend")
}

permit "a fork is judged with the fork to be" {
  when = op == "fork" && target.ref == "demo"
}

permit "which is no repository" {
  when = op == "fork" && target.grand
}

permit "a fork without a tag" {
  when = target.fork && target.tag == ""
}

permit "a repository with one" {
  when = target.grand && target.tag == "x"
}

permit "a port of a shell" {
  when = op == "shell" && request.port == 22
}

permit "a host of a command" {
  when = op == "exec" && request.host == "x"
}

permit "how refs are typed" {
  when = glob(target.ref, "demo+*") || startswith(target.ref, "demo+")
}

permit "what is no name" {
  when = glob(target.repo, "Demo*") || startswith(target.repo, "demo/")
}

permit "both-networks" {
  when = cidr(source.ip, "10.0.0.0/8") && cidr(source.ip, "192.168.0.0/16") && op == "shell"
}

permit "both-forms" {
  when = glob(target.repo, "demo-*") && startswith(target.repo, "sample-") && op == "shell"
}
