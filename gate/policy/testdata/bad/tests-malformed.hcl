test "nothing" {}

test "twice" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "shell"
  }
  expect {
    verdict = "forbid"
  }
  expect {
    verdict = "permit"
  }
}

test "words" {
  request {
    caller = "alice"
    kind   = "agnt"
    op     = "shel"
    door   = "shh"
    source = "10.0.0"
    target = "Demo"
  }
  expect {
    verdict = "maybe"
  }
}

test "missing" {
  request {}
  expect {}
}

test "name" {
  request {
    caller = "al ice"
    kind   = "agent"
    op     = "shell"
  }
  expect {
    verdict = "forbid"
  }
}

test "fields" {
  request {
    caler = "alice"
    kind  = "agent"
    op    = "shell"
  }
  expect {
    verdict = "forbid"
  }
}

test "an agent's touch" {
  request {
    caller       = "alice"
    kind         = "agent"
    attested     = "person"
    security_key = "yubikey"
    op           = "shell"
  }
  expect {
    verdict = "forbid"
  }
}

test "a touch without an attestor" {
  request {
    caller       = "alice"
    kind         = "human"
    security_key = "yubikey"
    op           = "shell"
  }
  expect {
    verdict = "forbid"
  }
}

test "an enrolled nothing" {
  request {
    caller   = "alice"
    kind     = "human"
    attested = "person"
    enrolled = true
    op       = "shell"
  }
  expect {
    verdict = "forbid"
  }
}
