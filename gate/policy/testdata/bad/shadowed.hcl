permit "agents-enter-shop" {
  when = caller.kind == "agent" && target.repo == "shop" && target.grand && op == "shell"
}

permit "agents-enter-shop-by-night" {
  when = caller.kind == "agent" && target.repo == "shop" && target.grand && op == "shell" && cidr(source.ip, "10.0.0.0/8")
}

permit "somebody-enters-shop" {
  when = target.repo == "shop" && target.grand && op == "shell"
}

approve "agents-are-let-into-shop" {
  when = caller.kind == "agent" && target.repo == "shop" && target.grand && op == "exec"
}

approve "agents-are-let-into-till" {
  when = caller.kind == "agent" && target.repo == "till" && target.grand && op == "exec"
}

forbid "no-agents-in-shop" {
  when   = caller.kind == "agent" && contains(["shop", "bank"], target.repo) && target.grand
  reason = "no"
}

forbid "no-agents-in-till-unapproved" {
  when   = caller.kind == "agent" && target.repo == "till" && !grant.held
  reason = "no"
}

permit "agents-see-the-bank" {
  when = caller.kind == "agent" && target.repo == "bank" && target.grand && op == "show"
}

permit "oncall-extend" {
  when = contains(caller.groups, "oncall") && op == "extend"
}

permit "backend-extends" {
  when = contains(caller.groups, "backend") && op == "extend"
}

forbid "no-oncall" {
  when   = (contains(caller.groups, "oncall") || caller.class < 1) && op == "extend"
  reason = "no"
}

permit "agents-enter-demos-from-the-office" {
  when = caller.kind == "agent" && glob(target.repo, "demo-*-eu") && op == "shell" && cidr(source.ip, "10.1.0.0/16")
}

permit "agents-enter-samples" {
  when = caller.kind == "agent" && startswith(target.repo, "sample-") && op == "shell"
}

forbid "no-agents-in-demos-from-inside" {
  when   = caller.kind == "agent" && startswith(target.repo, "demo-") && cidr(source.ip, ["10.0.0.0/9", "10.128.0.0/9"])
  reason = "no"
}

forbid "no-agents-in-samples-from-inside" {
  when   = caller.kind == "agent" && glob(target.repo, "sample-?*") && cidr(source.ip, "10.0.0.0/8")
  reason = "no"
}
