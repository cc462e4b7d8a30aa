permit "x" {
  when = op == "shell" ||
    op == "exec"
}
