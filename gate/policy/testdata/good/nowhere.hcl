forbid "nobody-from-nowhere" {
  when   = !cidr(source.ip, ["0.0.0.0/0", "::/0"])
  reason = "say where you are"
}

forbid "long" {
  when   = startswith(target.repo, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") && op == "exec"
  reason = "no"
}

permit "somebody" {
  when = op == "show"
}

approve "terms" {
  when = caller.kind == "agent" && target.repo == "demo" && op == "exec" && !grant.held
}

forbid "no-agents-in-demo" {
  when   = caller.kind == "agent" && target.repo == "demo" && target.grand && !grant.held
  reason = "no"
}
