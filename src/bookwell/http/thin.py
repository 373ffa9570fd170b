"""The routes that carry the day, answered by their handlers without Litestar around them.

Litestar's own way through a request costs more than a booking does. Here the handlers it was given
are called as it would call them: the same guards, types, sentences, status codes and headers, so
that nobody can tell from an answer which way it took. Whatever is not plainly one of these routes
goes to Litestar untouched (docs/decisions/0017-thin-routes.md).
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Response
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter
from litestar.routes import HTTPRoute
from litestar.serialization import default_serializer
from litestar.types import Empty
from msgspec import json

from bookwell.http.bodies import JsonRequest

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Scope, Send

# What a host looks like; Litestar knows the rest, and refuses what is none.
_PLAIN_HOST = re.compile(rb"[0-9A-Za-z.:\[\]-]*")

_encoder = json.Encoder(enc_hook=default_serializer)


class ThinRequest(JsonRequest):
    """A request that keeps its headers, and reads its body without a generator around each part."""

    @cached_property
    def headers(self) -> Headers:
        """The headers, read once."""
        return Headers(self.scope["headers"])

    async def body(self) -> bytes:
        """The body, read once; errors are those of Litestar's."""
        if self._body is Empty:
            limit = self.route_handler.resolve_request_max_body_size()
            assert limit is not None, "every route has a limit"
            if (self.content_length or 0) > limit:
                raise RequestEntityTooLarge
            self._body = await self._received(limit)
        return self._body

    async def _received(self, limit: int) -> bytes:
        received, is_whole = b"", False
        while not is_whole:
            message = await self.receive()
            if message["type"] != "http.request":
                raise InternalServerException("The caller left before the body was whole.")
            received += message["body"]
            if len(received) > limit:
                raise RequestEntityTooLarge
            is_whole = not message["more_body"]
        return received


class _Operation:
    """A handler, with all that is known of it before a request comes."""

    def __init__(self, route: HTTPRoute, handler: HTTPRouteHandler, kwargs_model: Any) -> None:  # noqa: ANN401 - of a private type
        self.handler = handler
        self.template = route.path_format
        self.names_in_path = tuple(route.path_parameters)
        self._kwargs_model = kwargs_model
        self._guards = handler.resolve_guards()
        self._exception_handlers = handler.resolve_exception_handlers()
        fields = handler.parsed_fn_signature.parameters
        self._path_arguments = {
            name: field.kwarg_definition.name or name
            for name, field in fields.items()
            if isinstance(field.kwarg_definition, PathParameter)
        }
        self._data = fields.get("data")
        self._has_more = not set(fields) <= {"request", "data", *self._path_arguments}

    async def answer(self, request: ThinRequest) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """The answer's status, headers and body."""
        try:
            for guard in self._guards:
                await guard(request, self.handler)  # type: ignore[misc]  # ours are all async
            returned = await self.handler.fn(**await self._arguments(request))
            return self._written(returned)
        except Exception as error:  # noqa: BLE001 - each kind has its answer
            answer_error = next(
                self._exception_handlers[kind]
                for kind in type(error).__mro__
                if kind in self._exception_handlers
            )
            return self._written(answer_error(request, error))

    async def _arguments(self, request: ThinRequest) -> dict[str, Any]:
        """What the handler's function takes, read and checked."""
        if self._has_more:
            return await self._arguments_by_litestar(request)
        arguments: dict[str, Any] = {"request": request}
        for name, name_in_path in self._path_arguments.items():
            arguments[name] = request.path_params[name_in_path]
        if self._data is not None:
            if await request.body():
                arguments["data"] = await request.json()
            elif not self._data.has_default:
                return await self._arguments_by_litestar(request)
        return arguments

    async def _arguments_by_litestar(self, request: ThinRequest) -> dict[str, Any]:
        given = await self._kwargs_model.to_kwargs(connection=request)
        if given.get("data") is Empty:
            del given["data"]
        model = self.handler.signature_model
        return model.parse_values_from_connection_kwargs(connection=request, kwargs=given)

    def _written(self, returned: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:  # noqa: ANN401 - what a handler returns
        status, headers, content = self.handler.status_code, [], returned
        if isinstance(returned, Response):
            status, content = returned.status_code or status, returned.content
            headers = [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in returned.headers.items()
            ]
        body = _encoder.encode(content)
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(body)))
        return status, headers, body


class _Node:
    """One place in the tree of paths."""

    __slots__ = ("by_segment", "operations", "otherwise")

    def __init__(self) -> None:
        self.by_segment: dict[str, _Node] = {}
        self.otherwise: _Node | None = None
        self.operations: dict[str, _Operation] = {}


class ThinRoutes:
    """Wraps Litestar: answers the requests for these handlers, and hands it all others."""

    def __init__(self, app: Litestar, handlers: Sequence[HTTPRouteHandler]) -> None:
        self._app = app
        self._root = _Node()
        thin = {handler.fn for handler in handlers}
        for route in app.routes:
            if isinstance(route, HTTPRoute):
                node = self._node_of(route)
                for method, (handler, kwargs_model) in route.route_handler_map.items():
                    if handler.fn in thin:
                        node.operations[method] = _Operation(route, handler, kwargs_model)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        operation = self._operation_of(scope) if scope["type"] == ScopeType.HTTP else None
        if operation is None:
            await self._app(scope, receive, send)
            return
        scope["litestar_app"] = self._app
        scope["route_handler"] = operation.handler
        scope["path_template"] = operation.template
        request = ThinRequest(scope, receive, send)
        status, headers, body = await operation.answer(request)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _node_of(self, route: HTTPRoute) -> _Node:
        """The route's node. All routes have one, so that a path finds here what it finds there."""
        node = self._root
        for component in route.path_components:
            if isinstance(component, str):
                node = node.by_segment.setdefault(component, _Node())
            else:
                node.otherwise = node.otherwise or _Node()
                node = node.otherwise
        return node

    def _operation_of(self, scope: "HTTPScope") -> _Operation | None:
        """The operation this request plainly asks for, with `path_params` set; else None."""
        values = []
        node: _Node | None = self._root
        for segment in scope["path"].split("/")[1:]:
            if not segment or node is None:
                return None
            child = node.by_segment.get(segment)
            if child is None:
                child = node.otherwise
                values.append(segment)
            node = child
        operation = node.operations.get(scope["method"]) if node is not None else None
        if operation is None or scope["root_path"] or not _is_host_plain(scope):
            return None
        scope["path_params"] = dict(zip(operation.names_in_path, values, strict=True))
        return operation


def _is_host_plain(scope: "HTTPScope") -> bool:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return _PLAIN_HOST.fullmatch(host) is not None
