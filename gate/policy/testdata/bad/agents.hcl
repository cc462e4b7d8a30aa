agent "no mark" {
  mixed = ["TERM_PROGRAM"]
}

agent "bad marks" {
  env = ["A B=1", "X=", "1X", "=", ""]
}

agent "long comm" {
  comm = ["this-name-is-too-long"]
}

agent "path" {
  exe = ["/usr/bin/x"]
}

agent "twin" {
  env = ["CLAUDECODE=1"]
}

agent "field" {
  environ = ["X=1"]
}
