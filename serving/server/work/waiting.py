"""Work that waits for its turn. Knows no threads and no clock: it is told what time it is."""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(eq=False)
class Ticket(Generic[Item]):
    """A place in the queue.

    Attributes:
        item: what waits.
        rows: how much of the room it takes.
        kind: only what is of one kind is done together.
        deadline: when it is too late to begin, in seconds of the queue's clock.
    """

    item: Item
    rows: int = 1
    kind: Hashable = None
    deadline: float = field(default=float("inf"))


class Waiting(Generic[Item]):
    """A queue whose first is always served next, with those behind it that can be done together.

    Of one kind nobody overtakes anybody; so whatever comes, whoever waits is served.

    Example:
        >>> queue = Waiting()
        >>> for rows, kind in ((2, "a"), (1, "b"), (3, "a"), (9, "a"), (1, "a")):
        ...     queue.add(Ticket(rows, rows, kind))
        >>> [ticket.item for ticket in queue.take(8)], len(queue)
        ([2, 3], 3)
    """

    def __init__(self) -> None:
        self._tickets: deque[Ticket[Item]] = deque()

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, ticket: Ticket[Item]) -> None:
        """Let it wait behind all others."""
        self._tickets.append(ticket)

    def expired(self, now: float) -> list[Ticket[Item]]:
        """Take out those whose deadline has passed, in order."""
        return self._without(lambda ticket: ticket.deadline <= now)

    def unwanted(self, is_unwanted: Callable[[Item], bool]) -> list[Ticket[Item]]:
        """Take out those that nobody waits for, in order."""
        return self._without(lambda ticket: is_unwanted(ticket.item))

    def _without(self, is_taken: Callable[[Ticket[Item]], bool]) -> list[Ticket[Item]]:
        if not self._tickets:
            return []
        taken = [ticket for ticket in self._tickets if is_taken(ticket)]
        for ticket in taken:
            self._tickets.remove(ticket)
        return taken

    @property
    def first(self) -> Ticket[Item] | None:
        """Who is served next."""
        return self._tickets[0] if self._tickets else None

    def take(self, room: int) -> list[Ticket[Item]]:
        """Take out what is done next: the first, however large, and of its kind what fits in."""
        if not self._tickets:
            return []
        first = self._tickets[0]
        taken, left = [first], room - first.rows
        for ticket in list(self._tickets)[1:]:
            if ticket.kind != first.kind:
                continue
            if ticket.rows > left:
                break
            taken.append(ticket)
            left -= ticket.rows
        for ticket in taken:
            self._tickets.remove(ticket)
        return taken
