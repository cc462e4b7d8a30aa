#!/usr/bin/python3
"""Attaches to a process as a debugger does, and lets go of it again (ptrace(2))."""
import ctypes, os, sys
libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
ATTACH, DETACH = 16, 17
if libc.ptrace(ATTACH, pid, None, None) != 0:
    sys.exit("cannot attach: " + os.strerror(ctypes.get_errno()))
os.waitpid(pid, 0x40000000)  # __WALL
libc.ptrace(DETACH, pid, None, None)
