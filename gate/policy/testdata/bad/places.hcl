places "npm" {
  egress = ["registry.npmjs.org"]
}

places "none" {
  egress = []
}

places "UP" {
  egress = ["a.example.org:443"]
}

places "later" {
  egress = ["@zlast"]
}

places "zlast" {
  egress = ["a.example.org:443"]
}

permit "limits" {
  when = op == "fork"
  limits {
    egress = ["@nmp", "example.com", "*.com:443", "udp.example.com:443/udp", "https://example.com/x"]
  }
}
