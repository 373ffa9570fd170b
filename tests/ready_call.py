"""A call of an operation, ready to be made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call ready to be made; `entity_id` is what it changes, where that is known before."""

    path: str
    token: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    entity_id: str | None = None
