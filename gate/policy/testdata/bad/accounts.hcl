principal "build" {
  keys     = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII5Yl2ZP1+lRa3dx9W65k/E5veFCxVPExl0PcTcJKd8w build"]
  acounts  = ["build"]
}

principal "ci" {
  accounts = ["ci"]
}

principal "deploy" {
  keys     = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQE2vUTXrMmVPZt7dYB7Gq0yUqPW1rGqFrWDpVt0V5f deploy"]
  accounts = ["root", "1001", "-x", "a:b", "", "Fine.1@example", 7]
}

permit "nobody" {
  when = door == "sshd" && caller.kind == "human"
}

permit "typo" {
  when = door == "shd"
}
