forbid "no reason" {
  when = op == "shell"
}

forbid "empty" {
  when   = op == "shell"
  reason = " "
}

forbid "unknown" {
  when   = op == "shell"
  reason = "${target.reff} is not for you"
}

forbid "computed" {
  when   = op == "shell"
  reason = "${upper(target.ref)} is not for you"
}

forbid "flag" {
  when   = op == "shell"
  reason = "grand: ${target.grand}"
}

forbid "lines" {
  when   = op == "shell"
  reason = "one\ntwo"
}

forbid "number" {
  when   = op == "shell"
  reason = 7
}

forbid "terminal" {
  when   = op == "shell"
  reason = "no"
  hint   = "\u001b[2J"
}

permit "permits give no reason" {
  when   = op == "shell"
  reason = "because"
}

permit "no condition" {}
