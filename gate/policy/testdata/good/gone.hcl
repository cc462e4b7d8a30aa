# Groups that nobody is in, and principals that there are no more, keep no policy from loading.
permit "ops-look" {
  when = contains(caller.groups, "ops") && op == "list"
}

forbid "contractors" {
  when   = contains(caller.groups, "team-b") && op == "kill"
  reason = "no"
}

permit "carols-forks" {
  when = target.owner == "carol" && op == "show"
}

permit "carol-herself" {
  when = caller.principal == "carol" && op == "show"
}

principal "dora" {
  groups = ["team-a"]
}
