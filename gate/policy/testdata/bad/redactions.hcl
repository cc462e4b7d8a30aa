redact "key" {
  pattern = "sk_live_[0-9a-z"
}

redact "all" {
  pattern = ".*"
}

redact "key" {
  pattern = "x+"
}

redact "A Name" {
  pattern = "x+"
}

redact "none" {
}

redact "other" {
  pattern = 1
  replace = "x"
}

recordings {
  principal  = "1KiB"
  recipients = ["age1abc", "age1zf5pqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"]
}
