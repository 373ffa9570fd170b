"""Pages by key: a list is never cut without saying where it goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")

# The keys before and after every page; years that no clinic plans for.
FAR_PAST = datetime(1, 1, 2, tzinfo=UTC)
FAR_FUTURE = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, and the key of the last one where more follow."""

    items: list[Item]
    next_key: tuple[datetime, str] | tuple[str] | None = None

    @classmethod
    def cut(
        cls,
        found: list[Item],
        limit: int,
        key: Callable[[Item], tuple[datetime, str] | tuple[str]],
    ) -> Self:
        """A page of `limit` items from a list that was asked for one more."""
        if len(found) <= limit:
            return cls(found)
        items = found[:limit]
        return cls(items, key(items[-1]))
