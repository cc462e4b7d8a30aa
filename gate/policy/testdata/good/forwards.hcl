permit "to-the-site" {
  when = op == "forward-local" && target.fork && request.host == "localhost" && request.port >= 8000 && request.port < 8100
}

permit "to-docker" {
  when = op == "forward-unix" && target.fork && startswith(request.path, "/run/")
}

permit "lists" {
  when = op == "list"
}

forbid "not-to-the-debugger" {
  when   = op == "forward-local" && request.port == 8029
  reason = "port ${request.port} is a debugger's"
}

test "a range of ports" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "forward-local"
    target = "demo:x"
    host   = "localhost"
    port   = 8099
  }
  expect {
    verdict = "permit"
    rule    = "to-the-site"
  }
}

test "one of them is closed" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "forward-local"
    target = "demo:x"
    host   = "localhost"
    port   = 8029
  }
  expect {
    verdict = "forbid"
  }
}

test "a socket" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "forward-unix"
    target = "demo:x"
    path   = "/run/docker.sock"
  }
  expect {
    verdict = "permit"
  }
}
