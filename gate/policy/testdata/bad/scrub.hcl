scrub "nothing" {
  files = ["**/.env"]
}
scrub "two" {
  files  = ["**/.env"]
  remove = true
  empty  = true
}
scrub "nowhere" {
  set = { KEY = "x" }
}
scrub "both" {
  files = ["x"]
  run   = ["/bin/true"]
}
scrub "relative" {
  run = ["sh", "-c", "true"]
}
scrub "Bad Name" {
  repositories = ["No Repo"]
  files        = ["/etc/passwd", "../x", "a/./b", "[", ""]
  volumes      = ["*/_data"]
  set          = { "A=B" = "x", KEY = "two words", OTHER = 3, "GOOD_*" = "$${x}" }
  generate     = ["", "x y"]
  command      = "x"
}

scrub "leaks-otherwise" {
  leaks = "refuze"
}

scrub "leaks-and-more" {
  leaks  = "report"
  remove = true
}

scrub "ignores-without" {
  files  = ["x"]
  empty  = true
  ignore = ["generic-api-key"]
}

scrub "no-kind" {
  leaks  = "report"
  ignore = ["Generic Key"]
}
