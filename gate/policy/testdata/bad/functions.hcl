permit "contains of texts" {
  when = contains("shell", op)
}

permit "contains of a flag" {
  when = contains(target.grand, "x")
}

permit "contains without an argument" {
  when = contains(["shell"])
}

permit "contains of literals" {
  when = contains(["shell"], "shell")
}

permit "contains of nothing" {
  when = contains([], op)
}

permit "contains expanded" {
  when = contains(["shell", "exec"]...)
}

permit "glob without a star" {
  when = glob(target.repo, "demo")
}

permit "glob of a flag" {
  when = glob(target.grand, "d*")
}

permit "glob of an attribute" {
  when = glob(target.repo, target.tag)
}

permit "startswith nothing" {
  when = startswith(target.repo, "")
}

permit "cidr of a name" {
  when = cidr(target.repo, "10.0.0.0/8")
}

permit "cidr of a literal" {
  when = cidr("10.0.0.1", "10.0.0.0/8")
}

permit "cidr with a host" {
  when = cidr(source.ip, "10.0.0.1")
}

permit "cidr with bits" {
  when = cidr(source.ip, ["10.0.0.0/8", "10.0.0.1/8"])
}

permit "cidr mapped" {
  when = cidr(source.ip, "::ffff:10.0.0.0/104")
}

permit "cidr of nothing" {
  when = cidr(source.ip, [])
}
