# asyncssh, as a program: exec COMMAND, pty COMMAND, lend COMMAND, files, direct HOST PORT, unix PATH, local PORT HOST PORT, socks PORT,
# remote PORT HOST PORT, remote-socket PATH PATH. Who, where and with which key is in the environment.
import asyncio, os, stat, sys
import asyncssh

e = os.environ
lends = sys.argv[1] == "lend"


async def execute(connection, command, **options):
    piped = stat.S_ISFIFO(os.fstat(0).st_mode)  # nothing else can be waited for
    stdin = sys.stdin if piped else asyncssh.DEVNULL
    process = await connection.create_process(command, encoding=None, stdin=stdin, **options)
    await asyncio.gather(copied(process.stdout, sys.stdout.buffer), copied(process.stderr, sys.stderr.buffer))
    return (await process.wait()).exit_status


# What asyncssh redirects into a pipe itself is lost where nobody has read it when the connection ends, at sshd as well.
async def copied(reader, to):
    while data := await reader.read(65536):
        to.write(data)
        to.flush()


async def pump(streams):
    reader, writer = streams
    writer.write(sys.stdin.buffer.read())
    writer.write_eof()
    sys.stdout.buffer.write(await reader.read())
    sys.stdout.flush()


async def files(connection):
    async with connection.start_sftp_client() as sftp:
        await sftp.mkdir("d")
        await sftp.mkdir("d/e")
        await sftp.put(e["BIG"], "d/up")
        await sftp.rename("d/up", "d/moved")
        print(*await sftp.listdir("d"))
        await sftp.get("d/moved", "got")
        await sftp.put(e["BIG"], "d/gone")
        await sftp.remove("d/gone")
        await sftp.rmdir("d/e")


async def main(word, *rest):
    async with asyncssh.connect(
        e["HOST"],
        int(e["PORT"]),
        username=e["LOGIN"],
        client_keys=[e["KEY"]],
        agent_path=e["SSH_AUTH_SOCK"] if lends else None,
        agent_forwarding=lends,
        config=None,
        known_hosts=e["HOME"] + "/.ssh/known_hosts",
    ) as connection:
        if word in ("exec", "lend"):
            return await execute(connection, rest[0])
        if word == "pty":
            return await execute(connection, rest[0], term_type="xterm", term_size=(80, 24))
        if word == "files":
            await files(connection)
        if word == "direct":
            await pump(await connection.open_connection(rest[0], int(rest[1]), encoding=None))
        if word == "unix":
            await pump(await connection.open_unix_connection(rest[0], encoding=None))
        if word == "local":
            await (await connection.forward_local_port("127.0.0.1", int(rest[0]), rest[1], int(rest[2]))).wait_closed()
        if word == "socks":
            await (await connection.forward_socks("127.0.0.1", int(rest[0]))).wait_closed()
        if word == "remote":
            await (await connection.forward_remote_port("127.0.0.1", int(rest[0]), rest[1], int(rest[2]))).wait_closed()
        if word == "remote-socket":
            await (await connection.forward_remote_path(rest[0], rest[1])).wait_closed()
    return 0


try:
    sys.exit(asyncio.run(main(*sys.argv[1:])))
except asyncssh.ChannelOpenError as refused:
    print(refused, file=sys.stderr)
    sys.exit(1)
