permit "x" {
  when = op in ["shell", "exec"]
}
