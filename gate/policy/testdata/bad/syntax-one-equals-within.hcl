permit "x" {
  when = (
    op = "exec" && target.grand
  )
}
