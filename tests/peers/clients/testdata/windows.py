# windows.py SOCKS PORT TOKEN: VS Code's windows. All are open at once, each through the SOCKS server to the port inside, and each sends
# while it receives.
import os, socket, struct, sys, threading

proxy, port, token = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
wanted, whole = 40, []
together = threading.Barrier(wanted)


def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError(data)
        data += more
    return data


def window():
    s = socket.create_connection(("127.0.0.1", proxy))
    s.sendall(b"\5\1\0")
    exactly(s, 2)
    s.sendall(b"\5\1\0\1" + socket.inet_aton("127.0.0.1") + struct.pack(">H", port))
    if exactly(s, 10)[1] != 0:
        raise ConnectionError("the proxy refuses")
    s.sendall(f"GET /stable?reconnection=false&skipWebSocketFrames=true&tkn={token} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(s, 1)
    if b" 101 " not in head:
        raise ConnectionError(head)
    together.wait(200)
    data = os.urandom(300000)
    threading.Thread(target=s.sendall, args=(data,)).start()
    if exactly(s, len(data)) == data:
        whole.append(1)
    together.wait(200)


threads = [threading.Thread(target=window) for _ in range(wanted)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(len(whole), "windows")
