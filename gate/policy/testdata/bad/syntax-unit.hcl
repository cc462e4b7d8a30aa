# What is said of conditions is not said of this.
permit "x" {
  when = op == "fork"
  limits {
    quota = 20 GiB
  }
}
