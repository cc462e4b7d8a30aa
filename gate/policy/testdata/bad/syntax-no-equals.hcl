forbid "x" {
  when = op == "fork"
  reason "and = or"
}
