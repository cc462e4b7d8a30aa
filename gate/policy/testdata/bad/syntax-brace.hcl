recordings { quota = "1GiB"
}
