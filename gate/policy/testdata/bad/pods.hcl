pods {
  idle                = "30"
  resolvers           = ["127.0.0.53", "dns.example", "fe80::1%eth0", "192.0.2.53:53", "fe80::53"]
  forks_per_principal = 0
  quota_per_principal = "lots"
  pods_per_principal  = 0
  evict               = "maybe"
  resolver            = ["192.0.2.53"]
}

pods {
  idle = "1ms"
}
