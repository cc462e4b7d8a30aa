permit "text for a condition" {
  when = op
}

permit "quoted for a condition" {
  when = "true"
}

permit "flag with a text" {
  when = target.grand == "yes"
}

permit "text with a number" {
  when = op == 1
}

permit "number with a text" {
  when = caller.class >= "key"
}

permit "order of texts" {
  when = op < "shell"
}

permit "list with a text" {
  when = caller.groups == "backend"
}

permit "address with a text" {
  when = source.ip == "10.0.0.1"
}

permit "apples with pears" {
  when = caller.kind == target.owner
}

permit "itself" {
  when = op == op
}

permit "literals" {
  when = "a" == "b"
}

permit "numbers" {
  when = 1 < 2
}

permit "not a text" {
  when = !op
}

permit "arithmetic" {
  when = caller.class + 1 > 2
}

permit "negative" {
  when = -caller.class
}

permit "ternary" {
  when = target.grand ? true : false
}

permit "for" {
  when = [for x in caller.groups : x] == []
}

permit "splat" {
  when = caller.groups[*] == "x"
}

permit "index" {
  when = caller.groups[0] == "backend"
}

permit "template" {
  when = op == "${caller.kind}"
}

permit "null" {
  when = target.tag == null
}
