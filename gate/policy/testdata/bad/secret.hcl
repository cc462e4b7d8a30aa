# A line with a secret key is not quoted, and what else is wrong in the file is.
recordings {
  recipients = ["AGE-SECRET-KEY-1QQQQ"]
}

permit "x" {
  when = caller.knd == "human"
}
