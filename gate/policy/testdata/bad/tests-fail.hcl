forbid "agents-out" {
  when   = caller.kind == "agent" && target.grand
  reason = "${target.ref} is not for agents"
}

permit "all-of-it" {
  when = caller.kind == "human"
}

test "the verdict differs" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "permit"
  }
}

test "the rule differs" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "permit"
    rule    = "operator"
  }
}

test "a rule, where none should be" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "forbid"
    rule    = ""
  }
}

permit "forks" {
  when = op == "fork"
  limits {
    quota = "1GiB"
  }
}

test "other limits" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "fork"
    target = "demo:x"
  }
  expect {
    verdict = "permit"
    limits {
      quota  = "2GiB"
      egress = []
    }
  }
}

test "limits where none are fixed" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "list"
    target = "demo:x"
  }
  expect {
    verdict = "forbid"
    limits {
      pids = 100
    }
  }
}

permit "all-of-it-recorded" {
  when   = caller.kind == "human"
  record = "best-effort"
}

test "another rule that permits it comes first by name" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict    = "permit"
    rule       = "all-of-it-recorded"
    record     = "required"
    approvable = true
  }
}

test "a rule that there is none of" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "permit"
    rule    = "al-of-it"
  }
}

test "a record, where none is made" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "forbid"
    record  = "required"
  }
}
