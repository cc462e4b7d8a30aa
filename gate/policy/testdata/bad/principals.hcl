principal "alice" {
  keys = []
}

principal "Dave" {
  keyz    = ["x"]
  vouched = "yes"
}

principal "../erin" {
  groups = ["a b", 1]
}

principal "frank" {
  keys   = "ssh-ed25519"
  groups = [for g in ["a"] : g]
}
