# Habits of other languages, each with what to write here.
permit "short names" {
  when = kind == "agent" && grand
}

permit "a word without quotes, that is a fact's name too" {
  when = caller.kind == agent
}

permit "functions and operations that there are none of" {
  when = endswith(target.repo, "x") && op == "login"
}

permit "quotes" {
  when = caller.class == "4" && caller.class >= "3" && target.grand == "true"
}

permit "lists" {
  when = op == ["shell", "exec"] || contains(op, ["shell", "exec"]) || contains(op, "shell") || contains("oncall", caller.groups)
}

principal "jürgen" {
  groups = ["größe", "Über"]
}

permit "umlaut" {
  when = target.repo == "bücher"
}

permit "nothing is put in" {
  when = target.repo == "x${target.tag}"
}

redact "dollar" {
  pattern = "x${1}"
}

redact "lines" {
  pattern = "a\nb"
}

redact "lines-as-well" {
  pattern = "(start\\n)+|\\r\\n"
}

redact "one-line-will-do" {
  pattern = "a[\\s\\S]b|c\\n|^d$|(e|\\n)+f"
}
