redact "card" {
  pattern = "\d{16}"
}
