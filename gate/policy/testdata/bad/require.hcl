permit "no agent has presence" {
  when = caller.kind == "agent" && op == "shell"
  require {
    evidence = 4
  }
}

permit "out of range" {
  when = true
  require {
    evidence = 5
    approval = 2
  }
}

permit "types" {
  when = true
  require {
    evidence = "presence"
    approval = true
  }
}

permit "nothing to approve" {
  when = op == "fork"
  require {
    approval = 1
  }
}

permit "twice" {
  when = true
  require {
    evidence = 2
  }
  require {
    evidence = 3
  }
}

permit "contradiction" {
  when = caller.class < 2
  require {
    evidence = 2
  }
}

forbid "in the wrong place" {
  when   = true
  reason = "no"
  require {
    evidence = 2
  }
}
