principal "build" {
  keys     = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII5Yl2ZP1+lRa3dx9W65k/E5veFCxVPExl0PcTcJKd8w build"]
  accounts = ["build", "ci"]
}

permit "by-sshd" {
  when = door == "sshd" && caller.kind == "agent" && target.fork
}
