permit "beyond" {
  when = op == "forward-local" && request.port == 70000
}

permit "between" {
  when = op == "forward-local" && request.port > 80 && request.port < 81
}

permit "quoted" {
  when = op == "forward-local" && request.port == "80"
}

test "no port" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "forward-local"
    target = "demo:x"
    port   = 0
  }
  expect {
    verdict = "forbid"
  }
}
