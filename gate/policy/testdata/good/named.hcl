# Repositories that rules name. A name that stands once, beside one like it that stands more often or has a block, is noted. So is none of these:
# team-a and team-b, web1 and web2, what stands twice, what is in a pattern, and what tests speak of.

repository "payroll" {
  autostart = true
}

permit "shop" {
  when = target.repo == "shop" && caller.kind == "human"
}

permit "forks-of-shop" {
  when = target.parent == "shop" && op == "fork"
}

forbid "misspelt" {
  when   = contains(["shpo", "shop"], target.repo) && op == "kill"
  reason = "no"
}

forbid "missing-a-letter" {
  when   = target.ref == "payrol:x" && op == "kill"
  reason = "no"
}

forbid "not-this" {
  when   = op == "kill" && target.repo != "payrolls" && target.grand
  reason = "no"
}

permit "teams" {
  when = contains(["team-a", "team-b", "web1", "web2", "shopping"], target.repo)
}

permit "teams-again" {
  when = contains(["team-a", "web1"], target.repo) || glob(target.tag, "shp*")
}

test "no rule names this" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "shell"
    target = "ship"
  }
  expect {
    verdict = "forbid"
  }
}
