// Lets fork.go declare functions of the runtime's without a body.
