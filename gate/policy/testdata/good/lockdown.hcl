permit "agents-make-forks" {
  when = caller.kind == "agent" && op == "fork"
}

forbid "nobody-comes-in-tonight" {
  when     = door != "operator"
  reason   = "this host is closed until the incident is over"
  lockdown = true
}

test "an agent" {
  request {
    caller = "bob"
    kind   = "agent"
    op     = "fork"
    target = "demo:x"
  }
  expect {
    verdict = "forbid"
    rule    = "nobody-comes-in-tonight"
  }
}
