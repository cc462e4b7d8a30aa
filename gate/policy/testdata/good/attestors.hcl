principal "carol" {
}

attestor "alice-laptop" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICd8UweYaQJQQJrsZaaJGVfr2PKFR+Cp3JR5DvlMo+cu"
  principals = { "1000" = "alice", "1001" = "carol" }
}

attestor "Shared Desk 3" {
  key        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAmiW2/TFzsMlMY0+x+oRyLnjzQ/F/p9iC2M4h/oo82D desk"
  principals = { "1000" = "bob" }
  minimum    = ["tiocsti", "events"]
}
