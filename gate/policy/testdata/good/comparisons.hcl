permit "a" {
  when = ("shell" == op) && (target.grand == true) && 2 <= caller.class && caller.class != 0
}

permit "b" {
  when = !(caller.kind == "agent" || target.fork == false) && target.owner != caller.principal && target.parent == target.repo
}

permit "c" {
  when = contains(caller.groups, "oncall") && glob(op, "forward-*") && startswith(request.command, "git ")
}

permit "d" {
  when = cidr(source.ip, ["10.0.0.0/8", "2001:db8::/32"]) && cidr(source.ip, "10.1.0.0/16")
}

permit "e" {
  when = target.ref == "demo:x" || target.tag == "" || caller.agent == "" || caller.agent == "Claude Code"
}

permit "not the operator" {
  when = caller.principal != "alice" && caller.principal != "bob"
}

forbid "f" {
  when   = true && op == "kill"
  reason = "${caller.principal} (class ${caller.class}) may not ${op} ${target.ref}, 100%% sure, $${really}"
  hint   = "${target.repo}"
}
