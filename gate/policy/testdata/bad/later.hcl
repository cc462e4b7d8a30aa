attestor "alice-laptop" {
  key = "x"
}

repository "demo" {
  autostart = true
}
