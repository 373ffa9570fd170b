"""What all streams have in common: how many there may be, and how they end."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol, TypeAlias

from bookwell.domain.errors import Overloaded


class Ending(StrEnum):
    """Why a stream ended."""

    LEFT = "left"  # the caller did
    DRAINED = "drained"  # the worker is to stop
    TOKEN = "token"  # noqa: S105 - a word; it is not good any more, or not for this
    SLOW = "slow"  # the caller did not read
    SWEPT = "swept"  # what comes next for them is not kept any more
    REFUSED = "refused"  # what they asked for would be refused by now
    FAILED = "failed"  # we could not go on


Over: TypeAlias = Callable[[Ending], None]


class StreamOver(Exception):
    """Ends the stream that raises it."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


class Source(Protocol):
    """What one stream sends."""

    def messages(self, over: Over) -> AsyncGenerator[bytes, None]:
        """All of it, in pieces; `over` ends the stream at once. StreamOver ends it too."""

    def nudge(self) -> None:
        """Have something sent soon, though there is nothing to say."""


class Streams:
    """How many streams are open, and may be."""

    def __init__(self, streams_max: int) -> None:
        self._streams_max = streams_max
        self._open = 0

    def refuse_one_too_many(self) -> None:
        """Overloaded, if one more would be too many."""
        if self._open >= self._streams_max:
            raise Overloaded

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more while it is open."""
        self.refuse_one_too_many()
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
