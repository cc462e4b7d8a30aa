# paramiko, as a program: exec COMMAND, pty COMMAND, lend COMMAND, files, direct HOST PORT, remote PORT HOST PORT. Who, where and with which key is in the environment.
import os, socket, sys, threading
import paramiko

e = os.environ
client = paramiko.SSHClient()
client.load_host_keys(e["HOME"] + "/.ssh/known_hosts")


def copy(read, write):
    while data := read(65536):
        write(data)


def pump(channel):
    def send():
        copy(lambda n: os.read(0, n), channel.sendall)
        channel.shutdown_write()

    errors = threading.Thread(target=copy, args=(channel.recv_stderr, lambda data: os.write(2, data)))
    threading.Thread(target=send, daemon=True).start()
    errors.start()
    copy(channel.recv, sys.stdout.buffer.write)
    errors.join()
    sys.stdout.flush()


def execute(command, how):
    channel = client.get_transport().open_session()
    if how == "lend":
        paramiko.agent.AgentRequestHandler(channel)
    if how == "pty":
        channel.get_pty("xterm", 80, 24)
    channel.exec_command(command)
    pump(channel)
    return channel.recv_exit_status()


def files():
    sftp, big = client.open_sftp(), e["BIG"]
    sftp.mkdir("d")
    sftp.mkdir("d/e")
    sftp.put(big, "d/up")
    sftp.rename("d/up", "d/moved")
    print(*sftp.listdir("d"))
    sftp.get("d/moved", "got")
    sftp.put(big, "d/gone")
    sftp.remove("d/gone")
    sftp.rmdir("d/e")


def direct(host, port):
    pump(client.get_transport().open_channel("direct-tcpip", (host, int(port)), ("127.0.0.1", 1)))


def remote(inside, host, port):
    transport = client.get_transport()
    transport.request_port_forward("127.0.0.1", int(inside))
    while channel := transport.accept(3600):
        connection = socket.create_connection((host, int(port)))
        threading.Thread(target=copy, args=(channel.recv, connection.sendall), daemon=True).start()
        threading.Thread(target=copy, args=(connection.recv, channel.sendall), daemon=True).start()


client.connect(e["HOST"], int(e["PORT"]), e["LOGIN"], key_filename=e["KEY"], allow_agent=False, look_for_keys=False)
word, rest = sys.argv[1], sys.argv[2:]
code = 0
try:
    if word in ("exec", "pty", "lend"):
        code = execute(rest[0], word)
    else:
        {"files": files, "direct": direct, "remote": remote}[word](*rest)
except paramiko.ChannelException as refused:
    print(refused, file=sys.stderr)
    code = 1
client.close()
sys.exit(code)
