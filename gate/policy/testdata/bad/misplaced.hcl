# What stands where it does not belong is told where it does.
repository "demo" {
  recordings {
    quota = "1GiB"
  }
  redaction "x" {
    pattern = "a+"
  }
  principal = "1GiB"
}

permit "x" {
  when       = op == "fork"
  quota      = "1GiB"
  evidence   = 3
  recordings = "required"
  reson      = "x"
  expect {
  }
}

test "x" {
  verdict = "permit"
  request {
    caler = "alice"
  }
  expect {
    verdict = "permit"
  }
}

recordings {
  quota     = "1GiB"
  principal = "2GiB"
  session   = "3GiB"
}
