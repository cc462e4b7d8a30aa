permit "x" {
  when = (not target.grand)
}
