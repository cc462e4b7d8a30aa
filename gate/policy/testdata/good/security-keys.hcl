security_key "alice-yubikey" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOpKA6pn7w3czKjRp0KJ5WPm/cfSDWx8tP185LnRpGEeAAAABHNzaDo= alice"
  principal = "alice"
  presence  = true
}

# It signs in as well, and alone it is a key like another.
principal "carol" {
  keys = ["sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIFSYbg4lt0G0Esh8F5twyKMGhvF46fe++Sd/vQp3L+gXAAAABHNzaDo="]
}

security_key "alices-old-one" {
  key       = "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBCazIWr6SXmZn/I9V31IVEZqhvbOMwc32s2s/Nakeg/aa7CYttq/rq+x7KpofLCl6sYGhO2VH2YECTaOhQ+zxnIAAAAEc3NoOg=="
  principal = "alice"
  presence  = true
}

security_key "carols" {
  key       = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIFSYbg4lt0G0Esh8F5twyKMGhvF46fe++Sd/vQp3L+gXAAAABHNzaDo="
  principal = "carol"
  presence  = true
}

forbid "production-wants-a-touch" {
  when   = target.grand && contains(["shell", "exec", "sftp"], op) && caller.class < 4
  reason = "touch your security key"
}

permit "people" {
  when = caller.kind == "human" && target.grand && contains(["shell", "exec", "sftp"], op)
}

permit "approvers" {
  when = caller.class >= 4 && caller.enrolled && op == "approve"
}

test "touched" {
  request {
    caller       = "alice"
    kind         = "human"
    attested     = "person"
    security_key = "alice-yubikey"
    op           = "shell"
    target       = "demo"
  }
  expect {
    verdict = "permit"
    rule    = "people"
  }
}

test "attested alone" {
  request {
    caller   = "alice"
    kind     = "human"
    attested = "person"
    op       = "shell"
    target   = "demo"
  }
  expect {
    verdict = "forbid"
    rule    = "production-wants-a-touch"
  }
}

test "marked keys approve nothing" {
  request {
    caller       = "alice"
    kind         = "human"
    attested     = "person"
    security_key = "alice-yubikey"
    op           = "approve"
    target       = "demo"
  }
  expect {
    verdict = "forbid"
  }
}

test "enrolled ones do" {
  request {
    caller       = "alice"
    kind         = "human"
    attested     = "person"
    security_key = "of-the-registry"
    enrolled     = true
    op           = "approve"
    target       = "demo"
  }
  expect {
    verdict = "permit"
    rule    = "approvers"
  }
}
