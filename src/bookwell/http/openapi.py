"""The OpenAPI document, generated from the routes, and the page that shows it."""

from pathlib import Path
from typing import Any

from litestar import HttpMethod, Litestar, MediaType, Response, get, route
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Server, Tag
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import json
from swagger_ui_bundle import swagger_ui_path

from bookwell import __version__
from bookwell.http.calls import AnyRequest
from bookwell.http.openapi_repairs import put_right
from bookwell.http.openapi_webhooks import add_events

_KEY = "openapi_document"
_DESCRIPTION = """\
Providers and coaches offer time, patients book visits and office hours, staff run the day.

- **Tokens.** Every call carries `Authorization: Bearer …`; each operation names its scope.
- **Retries.** Send `Idempotency-Key` with any change and repeat it safely: it happens once.
- **Versions.** An `ETag` is a thing's version; send it as `If-Match` to change only what you saw.
- **Pages.** A list that goes on has a `next_cursor`; send it as `cursor`.
- **Tracing.** `X-Request-Id` and `traceparent` are taken over, and returned with every answer.
- **Errors.** `{error, message, request_id, details}`; `error` is stable, `message` is for people.
"""

CONFIG = OpenAPIConfig(
    title="bookwell",
    version=__version__,
    description=_DESCRIPTION,
    servers=[Server(url="/", description="This service")],
    tags=[
        Tag(name="visits", description="A patient with a provider at a time."),
        Tag(name="slots", description="The times providers offer."),
        Tag(name="schedules", description="A provider's week, and when they are away from it."),
        Tag(name="visit types", description="What a brand's visits are like."),
        Tag(name="licences", description="Where providers may see patients, and where they are."),
        Tag(name="disruptions", description="When a provider is out, and what becomes of visits."),
        Tag(name="reminders", description="When patients are reminded, and left in peace."),
        Tag(name="office hours", description="A coach's sessions, and the seats in them."),
        Tag(name="events", description="What happened, for other systems, in order."),
        Tag(name="webhooks", description="Where events are sent, and what came of it."),
        Tag(name="calendars", description="Visits in the calendar of a phone or a laptop."),
        Tag(name="admin", description="The catalogue and our own tokens."),
        Tag(name="health", description="For load balancers."),
    ],
    components=Components(
        security_schemes={
            "bearer": SecurityScheme(
                type="http", scheme="bearer", description="A token of the platform, or of our own."
            )
        }
    ),
    security=[{"bearer": []}],
    render_plugins=[],
    create_examples=False,
    use_handler_docstrings=True,
)

# What the page fetches, and nothing else of the wheel's 12 MB, is in memory and served.
_FILES = {
    f"/{name}": (media_type, (Path(swagger_ui_path) / name).read_bytes())
    for name, media_type in (
        ("swagger-ui.css", "text/css"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("favicon-32x32.png", "image/png"),
    )
}
_FILE_HEADERS = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bookwell API</title>
<link rel="icon" href="/docs/ui/favicon-32x32.png">
<link rel="stylesheet" href="/docs/ui/swagger-ui.css">
<style>body { margin: 0 } .swagger-ui .topbar { display: none }</style>
</head>
<body>
<div id="api"></div>
<script src="/docs/ui/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#api", deepLinking: true, persistAuthorization: true,
  displayRequestDuration: true, tryItOutEnabled: true, validatorUrl: null,
});
</script>
</body>
</html>
"""


def document_of(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes."""
    return add_events(put_right(app.openapi_schema.to_schema()))


def write_document(app: Litestar) -> bytes:
    """The document as it is served."""
    return json.encode(document_of(app))


@get("/openapi.json", include_in_schema=False, media_type=MediaType.JSON)
async def openapi_document(request: AnyRequest) -> Response[bytes]:
    """The document itself; written once."""
    return Response(request.app.state[_KEY], media_type=MediaType.JSON)


@get("/docs", include_in_schema=False, media_type=MediaType.HTML)
async def docs_page() -> str:
    """The document as a page that fetches nothing from elsewhere."""
    return _PAGE


@route(
    "/docs/ui/{file_path:path}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
)
async def docs_file(file_path: FromPath[Path]) -> Response[bytes]:
    """One of the files that the page fetches."""
    if str(file_path) not in _FILES:
        raise NotFoundException
    media_type, content = _FILES[str(file_path)]
    return Response(content, media_type=media_type, headers=_FILE_HEADERS)


def keep_document(app: Litestar, written: bytes) -> None:
    """Have this document served by `app`."""
    app.state[_KEY] = written


ROUTES: list[ControllerRouterHandler] = [
    openapi_document,
    docs_page,
    docs_file,
]
