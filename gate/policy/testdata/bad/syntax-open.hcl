permit "a" {
  when = op == "shell"
