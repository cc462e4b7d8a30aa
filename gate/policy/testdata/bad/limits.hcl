permit "sizes" {
  when = op == "fork"
  limits {
    quota  = "20GB"
    memory = 4
    pids   = "2048"
    cpu    = "150%"
    io     = 0
  }
}

permit "ranges" {
  when = op == "fork"
  limits {
    quota  = "1MiB"
    memory = "16777216TiB"
    pids   = 3
    cpu    = 0.001
    io     = 1.5
  }
}

permit "egress" {
  when = op == "fork"
  limits {
    egress = ["api.example.com", "10.0.0.1/8", "10.0.0.0/8:70000", "10.0.0.0/8:53/icmp", "2001:db8::/32", "[fd00:ec2::254]:80", "169.254.169.254", 7]
  }
}

permit "egress is a list" {
  when = op == "fork"
  limits {
    egress = "*"
  }
}

permit "misspelt" {
  when = op == "fork"
  limits {
    memroy = "4GiB"
  }
}

permit "twice" {
  when = op == "fork"
  limits {
    pids = 100
  }
  limits {
    pids = 200
  }
}

permit "empty" {
  when = op == "fork"
  limits {}
}

permit "short" {
  when = op == "fork"
  limits {
    ttl = "1s"
  }
}

permit "where nothing is forked" {
  when = op == "shell"
  limits {
    pids = 100
  }
}

forbid "forbids limit nothing" {
  when   = op == "fork"
  reason = "no"
  limits {
    pids = 100
  }
}
