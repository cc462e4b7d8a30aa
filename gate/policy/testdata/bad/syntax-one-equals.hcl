permit "x" {
  when = op = "exec"
}
