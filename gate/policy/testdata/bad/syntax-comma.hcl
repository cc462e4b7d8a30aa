permit "x" {
  when = contains(["shell" "exec"], op)
}
