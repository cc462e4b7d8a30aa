# messages.py COMMAND...: Zed's end of a proxy's standard streams. Messages of many lengths, more of them under way than any buffer holds.
import os, struct, subprocess, sys, threading

proxy = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
messages = [os.urandom((i * i * 7) % 65536) for i in range(300)]


def send():
    for m in messages:
        proxy.stdin.write(struct.pack("<I", len(m)) + m)
        proxy.stdin.flush()


threading.Thread(target=send).start()
same = 0
for m in messages:
    length = struct.unpack("<I", proxy.stdout.read(4))[0]
    same += proxy.stdout.read(length) == m
print(same, "messages", flush=True)
proxy.stdin.close()
sys.exit(proxy.wait())
