permit "x" { when = op == "shell" or op == "exec" }
