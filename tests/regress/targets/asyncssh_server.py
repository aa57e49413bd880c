#!/usr/bin/env python3
"""A target that is no OpenSSH: asyncssh's server, which runs commands as whoever runs it.

asyncssh_server.py PORT HOST_KEY AUTHORIZED: AUTHORIZED is in the form of authorized_keys; `cert-authority` lines work.
"""

import asyncio
import sys

import asyncssh

port, host_key, authorized = sys.argv[1:]


async def copied(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


async def fed(source, program):
    try:
        await copied(source, program)
    except (ConnectionError, asyncssh.Error):
        pass
    program.close()


async def serve(process):
    pipes = {name: asyncio.subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    run = await asyncio.create_subprocess_shell(process.command or "exit 3", **pipes)
    feeding = asyncio.create_task(fed(process.stdin, run.stdin))
    await asyncio.gather(copied(run.stdout, process.stdout), copied(run.stderr, process.stderr))
    process.exit(await run.wait())
    feeding.cancel()


async def main():
    await asyncssh.listen("127.0.0.1", int(port), server_host_keys=[host_key], authorized_client_keys=authorized,
                          process_factory=serve, encoding=None, sftp_factory=True, line_editor=False)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
