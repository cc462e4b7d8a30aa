permit "a" {
  when   = op == "exec"
  record = "always"
}

permit "b" {
  when   = op == "fork"
  record = "best-effort"
}

permit "c" {
  when   = op == "shell"
  record = true
}

recordings {
  quota   = "2KiB"
  session = "a lot"
}

recordings {
}
