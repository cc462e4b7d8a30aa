permit "people" {
  when = caller.kind == "human"
}

forbid "agents at demo" {
  when   = caller.kind == "agent" && target.repo == "demo" && !grant.held
  reason = "not without a grant"
}

forbid "agents never" {
  when   = caller.kind == "agent" && target.repo == "payroll"
  reason = "never"
}

approve "all" {
  when = caller.kind == "agent"
  uses = 5
}

approve "demo" {
  when            = target.repo == "demo" && op == "exec"
  wait            = "30s"
  lasts           = "5m"
  stop_containers = true
}

permit "alice approves of others" {
  when = op == "approve" && caller.principal == "alice" && request.asker != caller.principal
}

permit "what one has approved one takes back" {
  when = op == "revoke" && request.approver == caller.principal
}

test "it waits" {
  request {
    caller = "bob"
    kind   = "agent"
    op     = "exec"
    target = "demo"
  }
  expect {
    verdict    = "forbid"
    rule       = "agents at demo"
    approvable = true
  }
}

test "it enters" {
  request {
    caller  = "bob"
    kind    = "agent"
    op      = "exec"
    target  = "demo"
    granted = true
  }
  expect {
    verdict    = "permit"
    rule       = "all"
    approvable = false
  }
}

test "a forbid that speaks of no grant beats a grant" {
  request {
    caller  = "bob"
    kind    = "agent"
    op      = "exec"
    target  = "payroll"
    granted = true
  }
  expect {
    verdict = "forbid"
    rule    = "agents never"
  }
}

test "and nobody is asked" {
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

test "what is no session does not wait" {
  request {
    caller = "bob"
    kind   = "agent"
    op     = "forward-local"
    target = "demo"
  }
  expect {
    verdict    = "forbid"
    approvable = false
  }
}

test "alice approves of bob" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "approve"
    target = "demo"
    asker  = "bob"
  }
  expect {
    verdict = "permit"
  }
}

test "bob takes back what he approved" {
  request {
    caller   = "bob"
    kind     = "agent"
    op       = "revoke"
    target   = "demo"
    approver = "bob"
  }
  expect {
    verdict = "forbid"
    rule    = "agents at demo"
  }
}
