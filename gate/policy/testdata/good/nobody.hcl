# What is left of a policy when the blocks of a workstation and of an authority are taken out.
principal "carol" {
}

principal "dora" {
  groups  = ["team"]
  vouched = true
}

permit "carol-lists" {
  when = caller.principal == "carol" && op == "list"
}
