scrub "payment-keys" {
  repositories = ["shop"]
  files        = ["**/.env", "config/*.{yaml,yml}"]
  volumes      = ["*/_data/**/*.conf"]
  set          = { "STRIPE_*" = "sk_test_sandbox", SMTP_PASSWORD = "" }
  generate     = ["DB_PASSWORD"]
}

scrub "credentials" {
  files  = [".aws", "**/*.pem"]
  remove = true
}

scrub "dumps" {
  files = ["**/*.sql"]
  empty = true
}

scrub "program" {
  repositories = ["shop"]
  run          = ["/usr/bin/python3", "scrub.py"]
}

scrub "z-leaks" {
  repositories = ["shop"]
  leaks        = "refuse"
  ignore       = ["generic-api-key"]
}
