#!/usr/bin/python3
"""A mail server on loopback that prints what it receives and delivers nothing.

The first line on standard output is the port. Each mail follows as its envelope, an empty line, the message
as it arrived, and a line that ends it. Runs until SIGTERM or SIGINT. Needs Debian's python3-aiosmtpd.
"""

import argparse
import asyncio
import signal
import sys

from aiosmtpd.smtp import SMTP


def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()


class Sink:
    async def handle_DATA(self, server, session, envelope):
        message = envelope.content.decode("utf-8", "replace").replace("\r\n", "\n")
        lines = ["----- mail -----", f"MAIL FROM: {envelope.mail_from}"]
        lines += [f"RCPT TO: {recipient}" for recipient in envelope.rcpt_tos]
        say("\n".join(lines) + "\n\n" + message + ("" if message.endswith("\n") else "\n") + "----- end -----\n")
        return "250 2.0.0 taken"


class SlowSMTP(SMTP):
    """Waits before each reply."""

    def __init__(self, *args, delay_seconds, **kwargs):
        super().__init__(*args, **kwargs)
        self.delay_seconds = delay_seconds

    async def push(self, status):
        if self.delay_seconds > 0 and status[3:4] != "-":  # Once for all lines of a reply.
            await asyncio.sleep(self.delay_seconds)
        await super().push(status)


async def serve(arguments):
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def session():
        return SlowSMTP(
            Sink(),
            hostname="sink.localhost",
            loop=loop,
            data_size_limit=64 << 20,
            delay_seconds=arguments.delay_seconds,
        )

    server = await loop.create_server(session, "127.0.0.1", arguments.port, backlog=1024)
    say(f"{server.sockets[0].getsockname()[1]}\n")
    await stop.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int, nargs="?", default=0, help="0, the default, takes a free one")
    parser.add_argument("--delay-seconds", type=float, default=0, help="before each reply")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
