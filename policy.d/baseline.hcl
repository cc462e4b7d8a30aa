# The baseline: agents stay out of grand (production) repositories and work in forks of them; people enter both.
#
# What no rule permits is forbidden, and a forbid beats every permit. So rules of your own may widen this by further permits
# (another principal's fork, say) and narrow it by further forbids; no order of files or rules changes anything. They go
# into a file of their own beside this one, and so do principals: none is defined here.

# The operator's commands on the host come through a socket that root alone can reach.
permit "operator" {
  when = door == "operator"
}

# That something exists is no secret among principals: a tag that somebody has taken reads as taken, not as missing.
permit "everybody-lists" {
  when = op == "list"
}

permit "everybody-shows-repositories" {
  when = op == "show" && target.grand
}

forbid "agents-keep-out-of-production" {
  when = (
    caller.kind == "agent" && target.grand && door != "operator" &&
    contains([
      "shell", "exec", "sftp", "forward-local", "forward-remote", "forward-unix", "agent-forward",
      "remove", "restore", "secret",
    ], op)
  )
  reason = "${target.ref} is a grand (production) repository; agents work in forks"
  hint   = "ssh ${target.repo}+NAME@host"
}

# What a fork may use is fixed when it is made: of all permits that match, the strictest of each. These are the bounds for all
# forks, then, and a permit of your own can only tighten them; for wider ones change them here. egress names networks, as
# "192.0.2.0/24:443/tcp", or "*" for all that is public; [] is nothing.
#
# A fork shows its maker all that its parent holds, so the parent is a repository or a fork of the same owner.
permit "agents-make-forks" {
  when = (
    caller.kind == "agent" && op == "fork" && target.fork && target.owner == caller.principal &&
    (target.parent == target.repo || target.parent_owner == caller.principal)
  )
  limits {
    quota  = "20GiB"
    memory = "4GiB"
    pids   = 2048
    cpu    = 2
    egress = []
  }
}

permit "people-make-forks" {
  when = (
    caller.kind == "human" && op == "fork" && target.fork && target.owner == caller.principal &&
    (target.parent == target.repo || target.parent_owner == caller.principal)
  )
  limits {
    quota  = "20GiB"
    memory = "4GiB"
    pids   = 2048
    cpu    = 2
    egress = []
  }
}

permit "agents-work-in-their-forks" {
  when = (
    caller.kind == "agent" && target.fork && target.owner == caller.principal &&
    contains(["shell", "exec", "sftp", "forward-local", "forward-remote", "forward-unix", "show", "remove"], op)
  )
}

permit "people-work-in-their-forks" {
  when = (
    caller.kind == "human" && target.fork && target.owner == caller.principal &&
    contains([
      "shell", "exec", "sftp", "forward-local", "forward-remote", "forward-unix", "agent-forward",
      "show", "remove", "extend", "settle", "diff",
    ], op)
  )
}

# People enter production, but forward nothing there: a forward tells no person from an agent that rides on the connection.
permit "people-enter-repositories" {
  when = caller.kind == "human" && target.grand && contains(["shell", "exec", "sftp"], op)
}

test "an agent cannot enter production" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "forbid"
    rule    = "agents-keep-out-of-production"
  }
}

test "an agent makes a fork of production" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "fork"
    target = "demo:x"
  }
  expect {
    verdict = "permit"
    rule    = "agents-make-forks"
    limits {
      quota  = "20GiB"
      memory = "4GiB"
      pids   = 2048
      cpu    = 2
      egress = []
    }
  }
}

test "a person's fork has limits too" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "fork"
    target = "demo:x"
  }
  expect {
    verdict = "permit"
    rule    = "people-make-forks"
    limits {
      quota  = "20GiB"
      memory = "4GiB"
      pids   = 2048
      cpu    = 2
      egress = []
    }
  }
}

test "an agent works in its own fork" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "exec"
    target = "demo:x"
    owner  = "alice"
  }
  expect {
    verdict = "permit"
    rule    = "agents-work-in-their-forks"
  }
}

test "an agent stays out of another's fork" {
  request {
    caller = "alice"
    kind   = "agent"
    op     = "remove"
    target = "demo:x"
    owner  = "bob"
  }
  expect {
    verdict = "forbid"
  }
}

test "an agent makes no fork of another's fork" {
  request {
    caller       = "alice"
    kind         = "agent"
    op           = "fork"
    target       = "demo:y"
    parent       = "demo:x"
    parent_owner = "bob"
  }
  expect {
    verdict = "forbid"
  }
}

test "a person enters production" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "shell"
    target = "demo"
  }
  expect {
    verdict = "permit"
    rule    = "people-enter-repositories"
  }
}

test "a person forwards nothing in production" {
  request {
    caller = "alice"
    kind   = "human"
    op     = "forward-local"
    target = "demo"
  }
  expect {
    verdict = "forbid"
  }
}

test "the operator removes a repository" {
  request {
    caller = "root"
    kind   = "agent"
    door   = "operator"
    op     = "remove"
    target = "demo"
  }
  expect {
    verdict = "permit"
    rule    = "operator"
  }
}
