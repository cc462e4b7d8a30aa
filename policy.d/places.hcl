# Where common tools fetch what they install, for egress: egress = ["@debian", "@npm"]. What is missing is added here, or in a file of your own
# under another name. Each of these also takes in what is sent to it, or has parts that do (a repository on GitHub, a package on npm): whoever may
# reach it can carry data there. A mirror of your own that only gives is better, and is a line as well.

places "debian" {
  egress = ["deb.debian.org:80", "deb.debian.org:443", "security.debian.org:80", "security.debian.org:443"]
}

# pip, uv, poetry
places "pypi" {
  egress = ["pypi.org:443", "files.pythonhosted.org:443"]
}

# npm, pnpm, yarn
places "npm" {
  egress = ["registry.npmjs.org:443", "registry.yarnpkg.com:443"]
}

places "go" {
  egress = ["proxy.golang.org:443", "sum.golang.org:443", "storage.googleapis.com:443"]
}

# Cloning by https, releases, and the API.
places "github" {
  egress = [
    "github.com:443", "api.github.com:443", "codeload.github.com:443", "*.githubusercontent.com:443",
  ]
}
