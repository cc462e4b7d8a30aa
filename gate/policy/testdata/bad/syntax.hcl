permit "a" {
  when = op ==
}
