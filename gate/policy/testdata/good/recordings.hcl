permit "all" {
  when = caller.principal == "alice" && contains(["shell", "exec", "sftp", "list"], op)
}

permit "people-are-recorded" {
  when   = op == "shell" || op == "exec"
  record = "best-effort"
}

permit "production-is-recorded" {
  when   = target.grand && op == "shell"
  record = "required"
}

recordings {
  quota   = "20GiB"
  session = "1GiB"
}

test "the strictest counts" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "permit"
    record  = "required"
  }
}

test "elsewhere it need not work" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "exec"
    target = "demo"
  }
  expect {
    verdict = "permit"
    record  = "best-effort"
  }
}
