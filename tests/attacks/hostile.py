"""Many hostile clients in one process, which costs the machine as little as they cost their owner.

    python -m attacks.hostile KIND TARGET COUNT [AGAIN]

Opens COUNT connections of a kind of talks.py and prints a line once they are there. A client that the server sent away comes again, AGAIN
per second of them together (100). A line on stdin, or its end, makes them come no more; those there are stay as long as they are let, or
the number of seconds in that line. Then JSON is printed: see Tally.
"""

from __future__ import annotations

import heapq
import json
import os
import resource
import select
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .talks import KINDS, Talk
from .target import Target

SETTLE = 2.0  # seconds until the attack counts as on, also where a server takes no more connections; and a second for 500
GATE = select.EPOLLIN | select.EPOLLRDHUP
CLOSED = {"04", "05", "09", "0B"}  # FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING, as /proc/net/tcp has them
ADDRESSES = 8  # of this machine, 127.0.0.2 and up: one has not ports enough for those that come again


@dataclass
class Tally:
    """What became of the connections. lives: seconds that each lasted until the server ended it."""

    opened: int = 0
    refused: int = 0  # never connected
    lives: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)  # of those still open when the patience ended, how long they have lasted


class Client:
    """One connection."""

    def __init__(self, talk: Talk, target: Target, number: int) -> None:
        self.talk = talk
        self.opened = 0.0  # monotonic; 0 until it is connected
        self.is_there = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if talk.reads is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with suppress(OSError):
            self.socket.bind((f"127.0.0.{2 + number % ADDRESSES}", 0))
        self.socket.connect_ex(target.address)

    def say(self, data: bytes) -> None:
        """Send what can be sent. Raises OSError where the connection is gone."""
        if data:
            with suppress(BlockingIOError):
                self.socket.send(data)


class Swarm:
    """All the clients."""

    def __init__(self, kind: str, target: Target, count: int, again: float) -> None:
        self._kind, self._target, self._count, self._again = KINDS[kind], target, count, again
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._due: list[tuple[float, int, Client]] = []  # when a client does something by itself
        self._number = 0
        self._owed = float(count)  # clients that may be opened now
        self._stopping = False
        self.tally = Tally()

    def run(self) -> Tally:
        began = last = time.monotonic()
        told, end, settle = False, float("inf"), SETTLE + self._count / 500
        self._epoll.register(0, select.EPOLLIN)
        while not (self._stopping and (not self._clients or time.monotonic() > end)):
            for descriptor, events in self._epoll.poll(0.02, 4096):
                if descriptor == 0:
                    self._epoll.unregister(0)
                    end = time.monotonic() + float(sys.stdin.readline() or 0)
                    self._stopping = True
                else:
                    self._happened(self._clients[descriptor], events)
            now = time.monotonic()
            self._owed = min(self._owed + (now - last) * self._again, self._count)
            last = now
            self._open()
            self._act(now)
            if not told:
                told = now - began > settle or self._are_there()
                if told:
                    print("on", flush=True)
        now = time.monotonic()
        self.tally.left = [now - client.opened for client in self._clients.values() if client.opened]
        return self.tally

    def _are_there(self) -> bool:
        return self.tally.opened >= self._count and all(client.is_there for client in self._clients.values())

    def _open(self) -> None:
        for _ in range(200):
            if self._stopping or self._owed < 1 or len(self._clients) >= self._count:
                return
            self._owed -= 1
            self._number += 1
            client = Client(self._kind.talk(self._target), self._target, self._number)
            self._clients[client.socket.fileno()] = client
            self._epoll.register(client.socket, select.EPOLLOUT)
            self.tally.opened += 1

    def _happened(self, client: Client, events: int) -> None:
        try:
            if not client.opened:
                trouble = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if trouble:
                    raise OSError(trouble, os.strerror(trouble))
                client.opened = time.monotonic()
                client.is_there = not client.talk.listens
                client.say(client.talk.opening)
                self._epoll.modify(client.socket, select.EPOLLRDHUP if client.talk.reads is not None else GATE)
                self._later(client, client.opened)
            elif events & (select.EPOLLERR | select.EPOLLHUP | select.EPOLLRDHUP) or not self._read(client):
                self._ended(client)
        except OSError:
            self._ended(client)

    def _read(self, client: Client) -> bool:
        with suppress(BlockingIOError):
            data = client.socket.recv(65536)
            client.say(client.talk.received(data))
            client.is_there = True
            return bool(data)
        return True

    def _later(self, client: Client, now: float) -> None:
        every = client.talk.drips or (None if client.talk.reads is None else 1.0)
        if every:
            heapq.heappush(self._due, (now + every, id(client), client))

    def _act(self, now: float) -> None:
        gone = set()
        while self._due and self._due[0][0] <= now:
            _, _, client = heapq.heappop(self._due)
            if client.socket.fileno() == -1:
                continue
            try:
                if client.talk.drips:
                    client.say(client.talk.drop())
                else:
                    if client.talk.reads:
                        with suppress(BlockingIOError):
                            client.socket.recv(client.talk.reads)
                    gone = gone or _abandoned(self._target.port)
                    if client.socket.getsockname() in gone:
                        raise ConnectionResetError
                self._later(client, now)
            except OSError:
                self._ended(client)

    def _ended(self, client: Client) -> None:
        del self._clients[client.socket.fileno()]
        client.socket.close()
        if client.opened:
            self.tally.lives.append(time.monotonic() - client.opened)
        else:
            self.tally.refused += 1


def _abandoned(port: int) -> set[tuple[str, int]]:
    """The clients whose connection the server has closed, although it still has bytes to send: such a client is not told."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].rpartition(":")[2], 16) == port and words[9] == "0" and words[3] in CLOSED:
            address, _, remote = words[2].partition(":")
            found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(remote, 16)))
    return found


def main(kind: str, target: str, count: str, again: str = "100") -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(asdict(Swarm(kind, Target.from_json(target), int(count), float(again)).run())), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
