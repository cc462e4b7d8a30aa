connections {
  sessions  = 0
  forwards  = 1025
  principal = "many"
  idle      = "0s"
  keepalive = "1m"
}

connections {
}
