#!/usr/bin/python3
"""Types a line into the terminal that it runs on, as if it came from the keyboard (TIOCSTI, tty_ioctl(4))."""
import fcntl, sys, termios
with open("/dev/tty", "rb+", buffering=0) as tty:
    for byte in (sys.argv[1] + "\n").encode():
        fcntl.ioctl(tty, termios.TIOCSTI, bytes([byte]))
