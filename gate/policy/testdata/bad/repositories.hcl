repository "demo" {
  publish   = ["443:8443/tcp", "80", "0:80/tcp", "053:53/udp", "53:53/sctp", 80]
  egress    = ["*", "10.0.0.0/40"]
  autostart = "yes"
  linger    = "10 minutes"
  quota     = "100GiB"
  ttl       = "72h"
}

repository "shop" {
  publish = ["443:443/tcp", "443:443/udp"]
  memory  = "lots"
  linger  = "-1s"
  restart = true
}

repository "shop" {}

repository "Not A Name" {}
