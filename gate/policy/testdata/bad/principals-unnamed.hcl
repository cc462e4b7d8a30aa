principal {}
