"""Who gets what the stage sends: subscriptions with a lease, and the look-aheads that they ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rnnmuse.protocol import ProtocolError

SUBSCRIPTIONS = 256
"""Subscriptions at once."""
TARGETS = 8
"""Subscriptions that one sender may hold, each for a port of its own."""
LOOKAHEADS = 16
"""Different look-aheads at once: each note is planned once for each."""
MILLISECOND = 1_000_000

Client = TypeVar("Client")


@dataclass(slots=True)
class Subscription(Generic[Client]):
    """Where packets go, who asked, until when (monotonic seconds) and how many nanoseconds ahead notes are sent."""

    client: Client
    sender: Client
    until: float
    ahead: int = 0


class Subscribers(Generic[Client]):
    """The subscriptions, one for each client that gets packets; all methods may be called from any thread.

    ``on_lookaheads_changed`` is called, in the thread that made the change, after the set that `lookaheads` returns
    has changed.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.on_lookaheads_changed: Callable[[], None] | None = None
        self._now = now
        self._lock = threading.Lock()
        self._by_client: dict[Client, Subscription[Client]] = {}
        self._all: tuple[Subscription[Client], ...] = ()  # replaced as a whole: whoever iterates holds an old one
        self._by_ahead: dict[int, tuple[Subscription[Client], ...]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, client: Client) -> bool:
        """Whether a client's lease runs."""
        one = self._by_client.get(client)
        return one is not None and one.until >= self._now()

    def running(self, ahead: int | None = None) -> list[Subscription[Client]]:
        """The subscriptions whose lease runs: all, or those of one look-ahead in nanoseconds."""
        now = self._now()
        return [one for one in self.of(ahead) if one.until >= now]

    def of(self, ahead: int | None = None) -> tuple[Subscription[Client], ...]:
        """All subscriptions, or those of one look-ahead: the same object as long as they are the same."""
        return self._all if ahead is None else self._by_ahead.get(ahead, ())

    def lookaheads(self) -> frozenset[int]:
        """The look-aheads in use, in nanoseconds; not 0."""
        return frozenset(self._by_ahead) - {0}

    def add(self, client: Client, sender: Client, seconds: float, ahead: int = 0) -> None:
        """Begin or renew a lease. The look-ahead (nanoseconds) is rounded to a millisecond.

        ProtocolError with the code "limit" where there are too many subscriptions or look-aheads.
        """
        ahead = round(ahead / MILLISECOND) * MILLISECOND
        self.expire()
        with self._lock:
            others = [one for one in self._by_client.values() if one.client != client]
            if len(others) >= SUBSCRIPTIONS:
                raise ProtocolError("limit", f"subscribe: {len(others)} subscriptions; must be up to {SUBSCRIPTIONS}")
            if sum(one.sender == sender for one in others) >= TARGETS:
                raise ProtocolError("limit", f"subscribe: {TARGETS} ports of one sender; must be up to {TARGETS}")
            used = {one.ahead for one in others} | {0}
            if ahead not in used and len(used) > LOOKAHEADS:
                text = ", ".join(f"{one / 1e9:g}" for one in sorted(used))
                raise ProtocolError("limit", f"subscribe ahead: {ahead / 1e9:g}; must be one of those in use: {text}")
            known = self._by_client.get(client)
            if known is not None and known.ahead == ahead:
                known.until = self._now() + seconds
                return
            self._by_client[client] = Subscription(client, sender, self._now() + seconds, ahead)
            changed = self._arrange()
        self._tell(changed)

    def remove(self, client: Client) -> None:
        """End the subscription of a client, if it has one."""
        with self._lock:
            changed = self._by_client.pop(client, None) is not None and self._arrange()
        self._tell(changed)

    def expire(self) -> None:
        """Remove the subscriptions whose lease is over."""
        now = self._now()
        if all(one.until >= now for one in self._all):
            return
        with self._lock:
            self._by_client = {client: one for client, one in self._by_client.items() if one.until >= now}
            changed = self._arrange()
        self._tell(changed)

    def _arrange(self) -> bool:
        """Renew what the sending threads read; True if the set of look-aheads is another one."""
        before = set(self._by_ahead) - {0}
        by_ahead: dict[int, tuple[Subscription[Client], ...]] = {}
        for one in self._by_client.values():
            by_ahead[one.ahead] = (*by_ahead.get(one.ahead, ()), one)
        if len(by_ahead) == 1:
            self._all = next(iter(by_ahead.values()))
        else:
            self._all = tuple(self._by_client.values())
        self._by_ahead = by_ahead
        return set(by_ahead) - {0} != before

    def _tell(self, changed: bool) -> None:
        if changed and self.on_lookaheads_changed is not None:
            self.on_lookaheads_changed()
