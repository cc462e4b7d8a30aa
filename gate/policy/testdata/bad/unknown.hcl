permit "attribute" {
  when = caller.knd == "agent"
}

permit "part" {
  when = target
}

permit "no such part" {
  when = targt.repository.of.whom == "x"
}

permit "op" {
  when = op == "shel"
}

permit "op in a list" {
  when = contains(["shell", "exce"], op)
}

permit "a word without quotes" {
  when = op == shell
}

permit "principal" {
  when = caller.principal == "alcie"
}

permit "owner" {
  when = target.owner == "bobb"
}

permit "group" {
  when = contains(caller.groups, "backnd")
}

permit "kind" {
  when = caller.kind == "person"
}

permit "door" {
  when = door != "operater"
}

permit "agent" {
  when = caller.agent == "Claude"
}

permit "function" {
  when = contain(["shell"], op)
}

permit "field" {
  whn = true
}

# A group with a letter wrong is no group that nobody is in any more.
permit "oncal" {
  when = contains(caller.groups, "oncal")
}

permit "alcie" {
  when = caller.principal == "alcie"
}

permit "no-name" {
  when = contains(caller.groups, "On Call")
}
