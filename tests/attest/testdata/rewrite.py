#!/usr/bin/python3
"""Rewrites the environment of another process: PADDING=xxx... becomes the assignment that is given."""
import sys
pid, assignment = sys.argv[1], sys.argv[2].encode()
fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
start, end = int(fields[50 - 3]), int(fields[51 - 3])  # env_start, env_end of proc(5)
with open(f"/proc/{pid}/mem", "rb+", buffering=0) as mem:
    mem.seek(start)
    environ = mem.read(end - start)
    at = environ.index(b"PADDING=")
    length = environ.index(b"\0", at) - at
    mem.seek(start + at)
    mem.write(assignment + b"\0P=" + b"x" * (length - len(assignment) - 3))
