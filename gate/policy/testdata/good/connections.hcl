permit "all" {
  when = caller.principal == "alice" && op == "shell"
}

connections {
  sessions  = 32
  forwards  = 0
  principal = 8
  idle      = "12h"
}

test "it says nothing of who may do what" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "permit"
  }
}
