permit "a" {
  when   = op == "fork"
  record = "required"
  limits {
    ttl = "72h"
  }
}

permit "b" {
  when = op == "fork"
  record = "best-effort"
}

forbid "c" {
  when   = target.grand && !override.granted
  reason = "no"
}
