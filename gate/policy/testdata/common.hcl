# Every policy of the corpus is loaded beside this one.

principal "alice" {
  keys    = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDI/kXM5byMqO+aSicmtMhyHHdQ6sfTdr1xNXbNyrYpQ alice"]
  groups  = ["backend", "oncall"]
  vouched = true
}

principal "bob" {
  keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAvp6WSFTfBHVx2MnFerH8TxTCAitlakro7nYoq4oo4P bob"]
}

agent "Claude Code" {
  env = ["CLAUDECODE=1"]
}

permit "operator" {
  when = door == "operator"
}
