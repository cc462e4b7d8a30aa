permit "a" {
  when   = op == "fork"
  limits {
    ttl = "72h"
  }
}

permit "b" {
  when = op == "fork"
}

forbid "c" {
  when   = target.grand && !override.granted
  reason = "no"
}
