principal "carol" {
  groups = ["backend"]
}

authority "corp" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJiR55FAGNqrVTBr4ObrTd6msMLUTgR/lBQ45az22qiv corp"
  principals = { "carol@example.org" = "carol", "alice@example.org" = "alice", "a.smith" = "alice" }
  revoked    = ["SHA256:dE7l0SS3kSqKFNzHv7vSGRSyJ1JfiCt9pNRiMEcKB8s"]
}
