principal "zoe" {
  keys: ["ssh-ed25519 AAAA"]
}
