# Names, and lists of them, in egress. Of two rules what both let through counts.

places "npm" {
  egress = ["registry.npmjs.org:443", "registry.yarnpkg.com:443"]
}

places "tools" {
  egress = ["*.example.org:443", "192.0.2.0/24:80"]
}

permit "wide" {
  when = op == "fork"
  limits {
    egress = ["@tools", "@npm", "api.example.com:443", "API.example.com:443", "cdn.example.org:443"]
  }
}

permit "public" {
  when = op == "fork" && caller.kind == "agent"
  limits {
    egress = ["*:443"]
  }
}

test "what both let through, named" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "fork"
    target = "shop:x"
  }
  expect {
    verdict = "permit"
    limits {
      egress = ["*.example.org:443", "api.example.com:443", "@npm"]
    }
  }
}
