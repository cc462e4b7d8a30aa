permit "people" {
  when = caller.kind == "human" && (cidr(source.ip, "10.0.0.0/8") || contains(caller.groups, "oncall"))
}

forbid "elsewhere" {
  when   = !cidr(source.ip, ["10.0.0.0/8", "192.0.2.0/24"]) && op == "exec"
  reason = "not from here"
}

test "by address" {
  request {
    caller = "whoever"
    kind   = "human"
    op     = "shell"
    target = "demo:x"
    owner  = "alice"
    source = "10.9.8.7"
  }
  expect {
    verdict = "permit"
    rule    = "people"
  }
}

test "by group" {
  request {
    caller = "whoever"
    kind   = "human"
    groups = ["oncall"]
    op     = "shell"
  }
  expect {
    verdict = "permit"
  }
}

test "a missing address permits nothing" {
  request {
    caller = "whoever"
    kind   = "human"
    op     = "shell"
  }
  expect {
    verdict = "forbid"
    rule    = ""
  }
}

test "a missing address forbids" {
  request {
    caller = "whoever"
    kind   = "human"
    groups = ["oncall"]
    op     = "exec"
  }
  expect {
    verdict = "forbid"
    rule    = "elsewhere"
  }
}
