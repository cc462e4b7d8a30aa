approve "demo" {
  when = target.repo == "demo"
}

test "it is not to be approved" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "exec"
    target = "demo"
  }
  expect {
    verdict    = "forbid"
    approvable = false
  }
}

test "malformed" {
  request {
    caller  = "alice"
    kind    = "agent"
    op      = "exec"
    target  = "demo"
    granted = "yes"
    asker   = "-"
  }
  expect {
    verdict    = "forbid"
    approvable = "no"
  }
}
