approve "" {
  when = true
}

approve "no condition" {
  wait = "1m"
}

approve "no session" {
  when = op == "fork" || op == "forward-local"
}

approve "never" {
  when = op == "exec" && op == "shell"
}

approve "terms" {
  when            = true
  wait            = "1h"
  lasts           = "15"
  uses            = 0
  stop_containers = "yes"
}

approve "words" {
  when   = true
  reason = "why"
  waits  = "1m"
}

approve "more words" {
  when = target.repo == "demo" && grant.given
  uses = "1"
}

permit "terms" {
  when = request.asker == "nobody"
}
