principal "carol" {
  keys = [
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDVsrwf3+qZ5coSvmYrNBdSXQKX7JSmMmrvh1cmrOtULLF0L5JjINbVT3wwO43ukR7Taz7w9OWnsSwYzhGRZ98/SDZLWp2cM6CITpXT/Uyeazt/NSqoy+jY8OcEtg5cGgnM5DAmeTFMmaIq+NGjNzSJ745NTRmaSc9AQo/BFKkpA6Z0vWcvk1PA0jrePq1IGo948nyXFTmPmzVLIbDZI8EKIoct4twtSqi4vTYwvg7tlljjCPpZ+sfSQ5sVP3jzeij0j03FoziHbgB38Ppt35cKP4JOCtmY9Mx3F2yn4CNf4FhNYiEd0TbY3ns2qNFnEw26nt+BQU06uPhk8cL3EWZF ok",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPkf0OtP6ISgcd7ziC7+MI05R2b++nMMalndWmzv8sqpFAeT1zgldAxi06z/EH1nYcPzlmgBcsgHqnXyt10aMlQ= ec",
    "  ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII5Yl2ZP1+lRa3dx9W65k/E5veFCxVPExl0PcTcJKd8w carol with a long comment",
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIB+h8tkR2wQ8hTvJ7Z9sXbnkGQe8d9bfzXuXyQdXo2sFAAAABHNzaDo= carol",
  ]
}
