allow "x" {
  when = op == "shell"
}

deny "y" {
  when = op == "shell"
}

user "z" {
}
