security_key "unmarked" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOpKA6pn7w3czKjRp0KJ5WPm/cfSDWx8tP185LnRpGEeAAAABHNzaDo="
  principal = "alice"
}

security_key "marked-false" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIFSYbg4lt0G0Esh8F5twyKMGhvF46fe++Sd/vQp3L+gXAAAABHNzaDo="
  principal = "alice"
  presence  = false
}

security_key "no-such-principal" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIGbH/GlYnxQnlxzuFnZlwGrYFqtY2DHN6gWMnvPsnB7YAAAABHNzaDo="
  principal = "alcie"
  presence  = true
}

security_key "nothing to touch" {
  key       = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICd8UweYaQJQQJrsZaaJGVfr2PKFR+Cp3JR5DvlMo+cu"
  principal = "alice"
  presence  = true
}

security_key "first" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOk8hWzhXwYAi+FWoMO/ldpx0Q52AaZG5yOQmaP1txhqAAAABHNzaDo="
  principal = "alice"
  presence  = true
}

security_key "second" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOk8hWzhXwYAi+FWoMO/ldpx0Q52AaZG5yOQmaP1txhqAAAABHNzaDo="
  principal = "bob"
  presence  = true
}

principal "carol" {
  keys = ["sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIGbH/GlYnxQnlxzuFnZlwGrYFqtY2DHN6gWMnvPsnB7YAAAABHNzaDo="]
}

security_key "signs-in-as-another" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIGbH/GlYnxQnlxzuFnZlwGrYFqtY2DHN6gWMnvPsnB7YAAAABHNzaDo="
  principal = "bob"
  presence  = true
}

security_key "misspelt" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOpKA6pn7w3czKjRp0KJ5WPm/cfSDWx8tP185LnRpGEeAAAABHNzaDo="
  principal = "alice"
  presense  = true
}

security_key "empty" {
}

security_key "not-even-a-key" {
  key       = "sk-ssh-ed25519@openssh.com AAAA"
  principal = "alice"
  presence  = "yes"
}

security_key "first" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOpKA6pn7w3czKjRp0KJ5WPm/cfSDWx8tP185LnRpGEeAAAABHNzaDo="
  principal = "alice"
  presence  = true
}
