import asyncio, os
import asyncssh

e = os.environ


async def echoed(streams):
    reader, writer = streams
    data = os.urandom(200000)
    writer.write(data)
    same = await reader.readexactly(len(data)) == data
    writer.close()
    return same


async def main():
    async with asyncssh.connect(
        e["HOST"], int(e["PORT"]), username=e["LOGIN"], client_keys=[e["KEY"]], agent_path=None, config=None, known_hosts=e["HOME"] + "/.ssh/known_hosts"
    ) as c:
        print((await c.run("uname -sm", check=True)).stdout.strip())
        home = (await c.run('echo "$HOME"', check=True)).stdout.strip()
        dist = home + "/.cache/JetBrains/RemoteDev/dist"
        async with c.start_sftp_client() as sftp:
            await sftp.makedirs(dist)
            await sftp.put(e["TESTDATA"] + "/standin.py", dist + "/jetbrains-agent")
            await sftp.chmod(dist + "/jetbrains-agent", 0o755)
            # The session of SFTP stays open beside all else.
            agent = await c.create_process(f"cd {dist}; exec ./jetbrains-agent", stderr=asyncssh.STDOUT)
            line = await agent.stdout.readline()
            port, path = line.split()
            # All are open at once, and work at once, with a command and a file among them.
            by_port = await asyncio.gather(*(c.open_connection("127.0.0.1", int(port), encoding=None) for _ in range(40)))
            by_socket = await asyncio.gather(*(c.open_unix_connection(path, encoding=None) for _ in range(8)))
            ports, sockets, _, _ = await asyncio.gather(
                asyncio.gather(*map(echoed, by_port)), asyncio.gather(*map(echoed, by_socket)), c.run("true", check=True), sftp.put(e["BIG"], dist + "/ide.tar.gz")
            )
        print(sum(ports), "by port")
        print(sum(sockets), "by socket")
        agent.terminate()


asyncio.run(main())
