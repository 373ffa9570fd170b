"""Operations as an OpenAPI document knows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation as the OpenAPI document knows it."""

    operation_id: str
    method: str
    path: str
    spec: Mapping[str, Any]

    @property
    def scope(self) -> str | None:
        """The scope it needs; None where it needs no token."""
        scopes: list[str | None] = [s for each in self.spec["security"] for s in each["bearer"]]
        (scope,) = scopes or [None]
        return scope

    @property
    def is_change(self) -> bool:
        return self.method != "GET"


def operations_of(document: Mapping[str, Any]) -> dict[str, Operation]:
    """The document's operations by id."""
    return {
        spec["operationId"]: Operation(
            operation_id=spec["operationId"], method=method.upper(), path=path, spec=spec
        )
        for path, methods in document["paths"].items()
        for method, spec in methods.items()
    }
