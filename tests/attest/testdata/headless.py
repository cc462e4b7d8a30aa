#!/usr/bin/python3
"""Ends its first thread, and then lets another one start a command and leave it behind."""
import ctypes, os, sys, threading, time
def rest():
    time.sleep(1.2)  # long enough for whoever takes the first thread's end for the process's
    if os.fork() == 0:
        os.setsid()
        os.execvp(sys.argv[1], sys.argv[1:])
    os._exit(0)
threading.Thread(target=rest).start()
ctypes.CDLL(None).pthread_exit(None)
