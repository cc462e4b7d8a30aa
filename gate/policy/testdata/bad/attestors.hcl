attestor "no-key" {
  principals = { "1000" = "alice" }
}

attestor "nobody" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICd8UweYaQJQQJrsZaaJGVfr2PKFR+Cp3JR5DvlMo+cu"
  principals = {}
}

attestor "same-key" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICd8UweYaQJQQJrsZaaJGVfr2PKFR+Cp3JR5DvlMo+cu"
  principals = { "1000" = "alice" }
}

attestor "signs-in" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDI/kXM5byMqO+aSicmtMhyHHdQ6sfTdr1xNXbNyrYpQ"
  principals = { "1000" = "alice" }
}

attestor "no-such-principal" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmiW2/TFzsMlMY0+x+oRyLnjzQ/F/p9iC2M4h/oo82D"
  principals = { "1000" = "alcie", "1001" = "alice", "1001" = "bob" }
}

attestor "uids" {
  key        = "ssh-ed25519 AAAA"
  principals = { 1000 = "alice", "root" = "alice", "010" = "alice", "-1" = "alice", "4294967296" = "alice", "1002" = 5 }
}

attestor "types" {
  key        = ["x"]
  principals = ["alice"]
  minimum    = ["ptarce", "everything", 3]
  trust      = true
}

attestor "uids" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmiW2/TFzsMlMY0+x+oRyLnjzQ/F/p9iC2M4h/oo82D"
  principals = { "1000" = "alice" }
}

attestor "" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmiW2/TFzsMlMY0+x+oRyLnjzQ/F/p9iC2M4h/oo82D"
  principals = { "1000" = "alice" }
}
