authority "Corp" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJiR55FAGNqrVTBr4ObrTd6msMLUTgR/lBQ45az22qiv corp"
  principals = { "alice@example.org" = "alice" }
}

authority "nobody" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM9rGXUFfLpomrxnCJl62/alBp3mAMXntvLsPE1rRDHd nobody"
  principals = {}
}

authority "alices-own-key" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDI/kXM5byMqO+aSicmtMhyHHdQ6sfTdr1xNXbNyrYpQ alice"
  principals = { "alice" = "alice" }
}

authority "twice" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJiR55FAGNqrVTBr4ObrTd6msMLUTgR/lBQ45az22qiv corp"
  principals = { "alice@example.org" = "alcie", "" = "alice", "bob" = "bob", "bob" = "alice" }
  revoked    = ["AAAA"]
}

authority "empty" {}
