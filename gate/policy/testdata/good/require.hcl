permit "people-enter-payroll" {
  when = target.repo == "payroll" && caller.kind == "human" && contains(["shell", "exec"], op)
  require {
    evidence = 4
  }
}

permit "agents-enter-payroll-if-somebody-agrees" {
  when = target.repo == "payroll" && caller.kind == "agent" && contains(["shell", "exec"], op)
  require {
    evidence = 3
    approval = 1
  }
}

test "a person who touched a key" {
  request {
    caller       = "alice"
    kind         = "human"
    attested     = "person"
    security_key = "alice-yubikey"
    op           = "shell"
    target       = "payroll"
  }
  expect {
    verdict = "permit"
    rule    = "people-enter-payroll"
  }
}

test "a person who did not" {
  request {
    caller   = "alice"
    kind     = "human"
    attested = "person"
    op       = "shell"
    target   = "payroll"
  }
  expect {
    verdict    = "forbid"
    rule       = ""
    approvable = false
  }
}

test "an agent has to wait for somebody" {
  request {
    caller   = "bob"
    kind     = "agent"
    attested = "agent"
    op       = "exec"
    target   = "payroll"
  }
  expect {
    verdict    = "forbid"
    approvable = true
  }
}

test "and comes in with an approval" {
  request {
    caller   = "bob"
    kind     = "agent"
    attested = "agent"
    op       = "exec"
    target   = "payroll"
    granted  = true
  }
  expect {
    verdict = "permit"
    rule    = "agents-enter-payroll-if-somebody-agrees"
  }
}

test "nobody can approve an agent of whom nothing is attested" {
  request {
    caller = "bob"
    kind   = "agent"
    op     = "exec"
    target = "payroll"
  }
  expect {
    verdict    = "forbid"
    approvable = false
  }
}
