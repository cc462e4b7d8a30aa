permit "x" {
  when = target.grand and target.fork
}
