#!/usr/bin/python3
# What stands in for the servers of editors, which cannot be had here. It shows what those need of a gate: it is brought by the client,
# listens inside, or speaks on its standard streams, and sends back what it hears. Its name says which one it is.
import os, socket, struct, sys, threading


def serve(listening, answer):
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()


def upgrade(connection):
    """VS Code's windows come by HTTP, with the token, and go on with a protocol of their own."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    if b"tkn=" + token + b" " not in head.split(b"\r\n")[0] or b"\r\nUpgrade: websocket\r\n" not in head:
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        connection.close()
        return
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    echo(connection)


def listen(answer):
    s = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=serve, args=(s, answer), daemon=True).start()
    return s.getsockname()[1]


name = os.path.basename(sys.argv[0])
if name == "code-server":
    token = open(sys.argv[sys.argv.index("--connection-token-file") + 1], "rb").read().strip()
    print("Extension host agent listening on", listen(upgrade), flush=True)
    threading.Event().wait()
elif name == "jetbrains-agent":
    path = os.path.abspath("agent.sock")
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(128)
    print(listen(echo), path, flush=True)
    serve(s, echo)
else:  # zed-remote-server proxy: each message has its length before it
    while head := sys.stdin.buffer.read(4):
        sys.stdout.buffer.write(head + sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
        sys.stdout.buffer.flush()
