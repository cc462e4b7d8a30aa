permit "x" {
  when = op == 'shell'
}
