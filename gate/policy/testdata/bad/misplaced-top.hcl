redaction "x" {
  pattern = "a+"
}

limits {
  quota = "1GiB"
}

quota = "1GiB"

resource "y" {
}
