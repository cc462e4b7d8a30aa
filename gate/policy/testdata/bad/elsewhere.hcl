permit "x" {
  if = op == "shell"
}

permit "operations" {
  when = op == "scp" || op == "rm" || op == "login"
}

permit "facts" {
  when = evidence >= 4
}

permit "functions" {
  when = not(target.grand)
}
