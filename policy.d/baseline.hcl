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

# The one way in for an agent is a person's leave: given before the agent was started, where it could not set it, and attested. It is for
# the repositories that it names, and for commands and files alone.
permit "agents-enter-by-override" {
  when = caller.kind == "agent" && target.grand && override.granted && contains(["shell", "exec", "sftp"], op)
}

forbid "agents-keep-out-of-production" {
  when = (
    caller.kind == "agent" && target.grand && door != "operator" &&
    !((override.granted || grant.held) && contains(["shell", "exec", "sftp"], op)) &&
    contains([
      "shell", "exec", "sftp", "forward-local", "forward-remote", "forward-unix", "agent-forward",
      "remove",
    ], op)
  )
  reason = "${target.ref} is a grand (production) repository; agents work in forks"
  hint   = "ssh ${target.repo}+NAME@host"
}

# These forbid nothing that the one above does not. Of all forbids that match the first by name gives the reason, so these say what is in
# the way more exactly. None of them says how an override is set: agents read this.
forbid "agents-by-own-override" {
  when = (
    caller.kind == "agent" && target.grand && !grant.held && door != "operator" &&
    contains(["set-by-agent", "unprotected", "unseen"], override.refused) && contains(["shell", "exec", "sftp"], op)
  )
  reason = "no person's leave to enter ${target.ref} is proved, and an agent cannot give itself one"
  hint   = "agents work in forks: ssh ${target.repo}+NAME@host"
}

forbid "agents-by-malformed-override" {
  when = (
    caller.kind == "agent" && target.grand && !grant.held && door != "operator" && override.refused == "malformed" &&
    contains(["shell", "exec", "sftp"], op)
  )
  reason = "the leave for repositories that this agent has is not well-formed: who gave it sees why with forkgate-attest whoami"
  hint   = "agents work in forks: ssh ${target.repo}+NAME@host"
}

forbid "agents-by-override-of-no-program" {
  when = (
    caller.kind == "agent" && target.grand && !grant.held && door != "operator" && override.refused == "unnamed" &&
    contains(["shell", "exec", "sftp"], op)
  )
  reason = "no person's leave to enter ${target.ref} can be proved of this agent: its workstation knows it by a variable alone, and not its program"
  hint   = "agents work in forks: ssh ${target.repo}+NAME@host"
}

forbid "agents-by-override-elsewhere" {
  when = (
    caller.kind == "agent" && target.grand && !grant.held && door != "operator" && override.refused == "elsewhere" &&
    contains(["shell", "exec", "sftp"], op)
  )
  reason = "this agent has a person's leave for other repositories, and none for ${target.ref}"
  hint   = "agents work in forks: ssh ${target.repo}+NAME@host"
}

forbid "agents-by-override-unattested" {
  when = (
    caller.kind == "agent" && target.grand && !grant.held && door != "operator" && override.refused == "unattested" &&
    contains(["shell", "exec", "sftp"], op)
  )
  reason = "nobody attests what this client says of leave to enter ${target.ref}: its platform has no attestor, or ssh does not ask it"
  hint   = "agents work in forks: ssh ${target.repo}+NAME@host"
}

forbid "agents-by-shared-connection" {
  when = (
    caller.kind == "agent" && caller.shared && target.grand && !grant.held && door != "operator" && contains(["shell", "exec", "sftp"], op)
  )
  reason = "${target.ref} is a grand (production) repository, and others could use this connection as well as the person who opened it"
  hint   = "ssh -o ControlMaster=no, or that in ssh_config; ssh gate@host whoami says more"
}

forbid "agents-by-unverified-chain" {
  when = (
    caller.kind == "agent" && caller.attested == "unverified" && override.refused == "" && target.grand && !grant.held && door != "operator" &&
    contains(["shell", "exec", "sftp"], op)
  )
  reason = "${target.ref} is a grand (production) repository, and nothing shows that a person is at the other end"
  hint   = "ssh gate@host whoami says why; agents work in forks: ssh ${target.repo}+NAME@host"
}

# Nothing can be approved by this baseline: there is no approve rule. In a file of your own one says which sessions wait for somebody's
# approval instead of being refused, and a permit of op approve says whose; the forbids above give way to a session that holds a grant.
#
#   approve "agents-enter-shop" {
#     when  = caller.kind == "agent" && target.repo == "shop" && contains(["shell", "exec"], op)
#     wait  = "2m"     # how long a session waits
#     lasts = "15m"    # how long what is granted lasts
#     uses  = 1        # how many sessions it opens
#   }
#   permit "the-owners-of-shop-approve" {
#     when = contains(["approve", "revoke"], op) && target.repo == "shop" && contains(caller.groups, "shop-owners")
#   }
#
# Whoever asked for a grant, or approved it, may end it.
permit "grants-are-taken-back" {
  when = op == "revoke" && (request.asker == caller.principal || request.approver == caller.principal)
}

# One's own sessions are one's own to end: a person's wherever they are, an agent's in its forks, as the same principal may be a person in
# production.
permit "people-end-their-sessions" {
  when = op == "kill" && caller.kind == "human" && request.asker == caller.principal
}

permit "agents-end-sessions-in-their-forks" {
  when = op == "kill" && caller.kind == "agent" && request.asker == caller.principal && target.fork && target.owner == caller.principal
}

# An agent that has been in a pod may have left something there that waits for the next ssh-agent to come in.
forbid "no-ssh-agent-where-agents-were" {
  when   = op == "agent-forward" && target.entered && door != "operator"
  reason = "an agent has been in ${target.ref}, and what it left there could use your ssh-agent"
  hint   = "work with your keys outside, or in a fork that no agent has entered"
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
    ttl    = "72h" # and removed then
    renew  = true  # but for as long as somebody works in it
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
    ttl    = "336h"
    renew  = true
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
      "show", "remove", "extend", "freeze", "tag", "settle", "scan",
    ], op)
  )
}

# People enter production, but forward nothing there: a forward tells no person from an agent that rides on the connection.
permit "people-enter-repositories" {
  when = caller.kind == "human" && target.grand && contains(["shell", "exec", "sftp"], op)
}

# The tests of all this, which each load runs. They speak of repositories and principals that nobody has, so that rules of your own about yours
# fail none of them. None names the rule that answers: any may that gives the same verdict, one of yours that comes first by name as well. A rule
# about everybody may fail one: then change that test as well. In an emergency lockdown = true asks no test.
test "an agent cannot enter production" {
  request {
    caller = "baseline-person"
    kind   = "agent"
    op     = "shell"
    target = "baseline-repo"
  }
  expect {
    verdict = "forbid"
  }
}

test "an agent makes a fork of production" {
  request {
    caller = "baseline-person"
    kind   = "agent"
    op     = "fork"
    target = "baseline-repo:x"
  }
  expect {
    verdict = "permit"
    limits {
      egress = []
    }
  }
}

test "a person's fork has limits too" {
  request {
    caller = "baseline-person"
    kind   = "human"
    op     = "fork"
    target = "baseline-repo:x"
  }
  expect {
    verdict = "permit"
    limits {
      egress = []
    }
  }
}

test "an agent works in its own fork" {
  request {
    caller = "baseline-person"
    kind   = "agent"
    op     = "exec"
    target = "baseline-repo:x"
    owner  = "baseline-person"
  }
  expect {
    verdict = "permit"
  }
}

test "an agent stays out of another's fork" {
  request {
    caller = "baseline-person"
    kind   = "agent"
    op     = "remove"
    target = "baseline-repo:x"
    owner  = "baseline-rival"
  }
  expect {
    verdict = "forbid"
  }
}

test "an agent makes no fork of another's fork" {
  request {
    caller       = "baseline-person"
    kind         = "agent"
    op           = "fork"
    target       = "baseline-repo:y"
    parent       = "baseline-repo:x"
    parent_owner = "baseline-rival"
  }
  expect {
    verdict = "forbid"
  }
}

test "a person enters production" {
  request {
    caller = "baseline-person"
    kind   = "human"
    op     = "shell"
    target = "baseline-repo"
  }
  expect {
    verdict = "permit"
  }
}

test "a person forwards nothing in production" {
  request {
    caller = "baseline-person"
    kind   = "human"
    op     = "forward-local"
    target = "baseline-repo"
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
    target = "baseline-repo"
  }
  expect {
    verdict = "permit"
  }
}

test "an agent enters what its override names" {
  request {
    caller   = "baseline-person"
    kind     = "agent"
    attested = "agent"
    override = ["baseline-repo", "baseline-other"]
    op       = "exec"
    target   = "baseline-repo"
  }
  expect {
    verdict = "permit"
  }
}

test "an override opens nothing else" {
  request {
    caller   = "baseline-person"
    kind     = "agent"
    attested = "agent"
    override = ["baseline-other"]
    op       = "exec"
    target   = "baseline-repo"
  }
  expect {
    verdict = "forbid"
  }
}

test "an override forwards nothing" {
  request {
    caller   = "baseline-person"
    kind     = "agent"
    attested = "agent"
    override = ["baseline-repo"]
    op       = "forward-local"
    target   = "baseline-repo"
  }
  expect {
    verdict = "forbid"
  }
}

test "an agent gives itself no leave" {
  request {
    caller           = "baseline-person"
    kind             = "agent"
    attested         = "agent"
    override_refused = "set-by-agent"
    op               = "shell"
    target           = "baseline-repo"
  }
  expect {
    verdict = "forbid"
  }
}

test "an override needs an attestor" {
  request {
    caller           = "baseline-person"
    kind             = "agent"
    override_refused = "unattested"
    op               = "shell"
    target           = "baseline-repo"
  }
  expect {
    verdict = "forbid"
  }
}

test "an unverified chain is an agent's" {
  request {
    caller   = "baseline-person"
    kind     = "agent"
    attested = "unverified"
    op       = "shell"
    target   = "baseline-repo"
  }
  expect {
    verdict = "forbid"
  }
}

test "a shared connection is an agent's" {
  request {
    caller = "baseline-person"
    kind   = "agent"
    shared = true
    op     = "shell"
    target = "baseline-repo"
  }
  expect {
    verdict = "forbid"
  }
}

test "whoever approved it takes it back" {
  request {
    caller   = "baseline-person"
    kind     = "human"
    op       = "revoke"
    target   = "baseline-repo"
    asker    = "baseline-rival"
    approver = "baseline-person"
  }
  expect {
    verdict = "permit"
  }
}

test "no ssh-agent goes where an agent has been" {
  request {
    caller  = "baseline-person"
    kind    = "human"
    op      = "agent-forward"
    target  = "baseline-repo:x"
    entered = true
  }
  expect {
    verdict = "forbid"
  }
}
