"""A long road: `delay.py PORT TO_PORT MILLISECONDS`. What comes to PORT goes on to TO_PORT so much later, and the same back."""

import asyncio
import sys
import time

PORT, TO_PORT, DELAY = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000
READ_BYTES = 65536
# What is on the road: a fast sender is not slowed by it, as by a fat pipe.
PIECES = 4096


async def carry(reader, writer):
    road = asyncio.Queue(maxsize=PIECES)

    async def arrive():
        while True:
            due, piece = await road.get()
            await asyncio.sleep(max(0, due - time.monotonic()))
            if not piece:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    piece = b"."
    while piece and not arriving.done():
        try:
            piece = await reader.read(READ_BYTES)
        except OSError:
            piece = b""
        await road.put((time.monotonic() + DELAY, piece))
    try:
        await arriving
    except OSError:
        pass


async def serve(reader, writer):
    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", TO_PORT)
    await asyncio.gather(carry(reader, to_writer), carry(to_reader, writer))
    for one in (writer, to_writer):
        one.close()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", PORT) as server:
        await server.serve_forever()


asyncio.run(main())
