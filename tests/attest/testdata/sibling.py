#!/usr/bin/python3
"""Starts a command as a child of its own parent (clone(2), CLONE_PARENT)."""
import ctypes, os, sys, time
time.sleep(0.3)  # as long as agents take to start, and longer
SYS_clone, CLONE_PARENT, SIGCHLD = 56, 0x8000, 17
if ctypes.CDLL(None).syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
