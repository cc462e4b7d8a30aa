permit "a" {
  when = op == "list"
}

forbid "a" {
  when   = op == "shell"
  reason = "no"
}

permit "" {
  when = op == "list"
}

agent "Claude Code" {
  env = ["OTHER"]
}
