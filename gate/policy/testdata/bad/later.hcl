attestor "alice-laptop" {
  key = "x"
}
