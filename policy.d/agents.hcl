# How agents are told from people. Adding an agent needs no code: add a block.
#
#   env    variables that the agent sets for what it runs; one is enough
#            "NAME=VALUE"  this value      "NAME~PART"  a value with PART in it      "NAME"  any value but the empty one
#   mixed  variables that an editor sets for a person too; they are told to the caller and decide nothing
#   comm   names in /proc/PID/comm, at most 15 bytes
#   exe    base names of the executable
#   path   components of the path of the executable, or of what an interpreter runs
#   argv   base names in the command line of an interpreter, up to its first argument: "node --x gemini", "python -m aider"
#
# Names are exact, never parts of names. comm, exe, path and argv are for the attestor on the caller's workstation; a gate
# alone sees variables only, and only those that the client sends (SendEnv).

agent "Claude Code" {
  env  = ["CLAUDECODE=1", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID"]
  comm = ["claude"]
  path = ["claude-code"]
  argv = ["claude"]
}

agent "Codex" {
  env  = ["CODEX_THREAD_ID", "CODEX_CI", "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED"]
  comm = ["codex"]
  argv = ["codex"]
}

agent "Cursor" {
  env   = ["CURSOR_AGENT", "CURSOR_EXTENSION_HOST_ROLE=agent-exec"]
  mixed = ["CURSOR_TRACE_ID"]
  path  = ["cursor-agent"]
  argv  = ["cursor-agent"]
}

agent "Gemini" {
  env  = ["GEMINI_CLI=1"]
  path = ["gemini-cli"]
  argv = ["gemini"]
}

agent "Antigravity" {
  env  = ["ANTIGRAVITY_AGENT"]
  argv = ["antigravity"]
}

agent "Copilot" {
  env  = ["COPILOT_CLI", "COPILOT_AGENT", "COPILOT_AGENT_SESSION_ID"]
  exe  = ["copilot"]
  argv = ["copilot"]
}

agent "opencode" {
  env  = ["OPENCODE"]
  comm = ["opencode"]
  argv = ["opencode"]
}

agent "Kilo" {
  env  = ["KILO"]
  argv = ["kilo", "kilocode"]
}

agent "Crush" {
  env  = ["CRUSH"]
  comm = ["crush"]
  argv = ["crush"]
}

agent "Goose" {
  env  = ["GOOSE_TERMINAL"]
  comm = ["goose"]
  argv = ["goose"]
}

agent "Amp" {
  env  = ["AGENT=amp", "AMP_CURRENT_THREAD_ID"]
  comm = ["amp"]
  argv = ["amp"]
}

agent "Qwen" {
  env  = ["QWEN_CODE"]
  path = ["qwen-code"]
  argv = ["qwen"]
}

agent "Auggie" {
  env  = ["AUGMENT_AGENT"]
  argv = ["auggie"]
}

agent "Cline" {
  env  = ["CLINE_ACTIVE"]
  argv = ["cline"]
}

agent "Roo" {
  env  = ["ROO_CLI_RUNTIME"]
  argv = ["roo"]
}

agent "Kiro" {
  env  = ["KIRO_SESSION_ID"]
  comm = ["kiro-cli"]
  argv = ["kiro-cli"]
}

agent "Amazon Q" {
  env  = ["AWS_EXECUTION_ENV~AmazonQ-For-CLI"]
  comm = ["q", "qchat"]
}

agent "Pi" {
  env  = ["PI_CODING_AGENT"]
  path = ["pi-coding-agent"]
  argv = ["pi"]
}

agent "Junie" {
  env  = ["JUNIE_DATA"]
  argv = ["junie"]
}

agent "Warp" {
  env = ["OZ_RUN_ID"]
}

agent "Trae" {
  env = ["TRAE_AI_SHELL_ID"]
}

agent "Hermes" {
  env  = ["HERMES_SESSION_ID"]
  argv = ["hermes"]
}

agent "OpenClaw" {
  env  = ["OPENCLAW_SHELL"]
  argv = ["openclaw"]
}

agent "VTCode" {
  env  = ["VTCODE"]
  argv = ["vtcode"]
}

agent "iFlow" {
  env  = ["IFLOW_CLI"]
  argv = ["iflow"]
}

agent "Droid" {
  comm = ["droid"]
  argv = ["droid"]
}

agent "Aider" {
  comm = ["aider"]
  argv = ["aider"]
}

agent "Rediacc" {
  env = ["REDIACC_AGENT"]
}

# What agents say of themselves when they follow no convention but the common one.
agent "an agent that gives no name" {
  env = ["AI_AGENT", "AGENT"]
}
