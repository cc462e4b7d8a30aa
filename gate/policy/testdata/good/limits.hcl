permit "everything" {
  when = op == "fork"
  limits {
    quota  = "20GiB"
    memory = "1536MiB"
    pids   = 2048
    cpu    = 1.5
    io     = 50
    egress = ["10.0.0.0/8:443", "192.0.2.0/24", "192.0.2.0/25", "*:53/udp"]
  }
}

permit "agents" {
  when = op == "fork" && caller.kind == "agent"
  limits {
    quota  = "1TiB"
    egress = ["10.1.0.0/16", "192.0.2.7:22/tcp"]
  }
}

permit "no limits" {
  when = op == "fork" && caller.kind == "human"
}

repository "demo" {
  publish   = ["443:8443/tcp", "443:8443/udp"]
  egress    = ["*"]
  autostart = true
  linger    = "1h30m"
  memory    = "8GiB"
  pids      = 10000
  cpu       = 4
  io        = 1000
}

repository "shop" {}

pods {
  idle                = "45m"
  resolvers           = ["192.0.2.53", "2001:db8::53"]
  forks_per_principal = 20
  quota_per_principal = "100GiB"
  pods_per_principal  = 4
  evict               = true
}

test "an agent gets the strictest of both" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "fork"
    target = "demo:x"
  }
  expect {
    verdict = "permit"
    limits {
      quota  = "20GiB"
      memory = "1536MiB"
      pids   = 2048
      cpu    = 1.5
      io     = 50
      egress = ["10.1.0.0/16:443", "192.0.2.7:22/tcp"]
    }
  }
}

test "a person gets those of the one" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "fork"
    target = "demo:x"
  }
  expect {
    verdict = "permit"
    limits {
      egress = ["*:53/udp", "192.0.2.0/24", "10.0.0.0/8:443"]
    }
  }
}
