# serve.py [PORT SOCKET]: a server on a port and on a socket, by default 7000 and /tmp/s, that answers each line in capitals.
import os, socket, sys, threading


def answer(connection):
    for line in connection.makefile("rb"):
        connection.sendall(line.upper())
    connection.close()


def serve(listening):
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


number, name = sys.argv[1:] or ("7000", "/tmp/s")
port = socket.create_server(("127.0.0.1", int(number)))
if os.path.exists(name):
    os.unlink(name)
path = socket.socket(socket.AF_UNIX)
path.bind(name)
path.listen()
threading.Thread(target=serve, args=(port,), daemon=True).start()
print("ready", flush=True)
serve(path)
