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
