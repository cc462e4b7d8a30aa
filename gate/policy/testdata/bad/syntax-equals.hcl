principal "zoe" {
  vouched true
}
