forbd "a" {
  when = true
}

when = true
