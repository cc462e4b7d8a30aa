redact "stripe" {
  pattern = "sk_live_[0-9a-zA-Z]+"
}

redact "password" {
  pattern = "(?i)password=\\S+"
}

recordings {
  quota      = "20GiB"
  principal  = "1GiB"
  session    = "64MiB"
  recipients = ["age1gwfadccfphrtn48mncrfg92v8vr996nkvqnq0h5apl2l9dmd84csx6u205"]
}
