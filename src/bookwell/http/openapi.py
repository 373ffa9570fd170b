"""The OpenAPI document, generated from the routes, and the page that shows it.

Litestar writes `oneOf` where JSON Schema 2020-12 has shorter words, and demands bodies that may be
absent; what clients read is put right here, once.
"""

from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Server, Tag
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler
from msgspec import json
from swagger_ui_bundle import swagger_ui_path

from bookwell import __version__
from bookwell.http.calls import AnyRequest

_DESCRIPTION = """\
Providers and coaches offer time, patients book visits and office hours, staff run the day.

**Tokens.** Every call carries `Authorization: Bearer …`; each operation names its scope.
**Retries.** Send `Idempotency-Key` with any change and repeat it safely: it happens once.
**Versions.** A visit's `ETag` is its version; send it as `If-Match` to change only what you saw.
**Pages.** A list that goes on has a `next_cursor`; send it as `cursor`.
**Errors.** `{error, message, request_id, details}`; `error` is stable, `message` is for people.
"""

CONFIG = OpenAPIConfig(
    title="bookwell",
    version=__version__,
    description=_DESCRIPTION,
    servers=[Server(url="/", description="This service")],
    tags=[
        Tag(name="visits", description="A patient with a provider at a time."),
        Tag(name="slots", description="The times providers offer."),
        Tag(name="office hours", description="A coach's sessions, and the seats in them."),
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
    document: dict[str, Any] = _plain(app.openapi_schema.to_schema())
    for methods in document["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody")
            if body is not None:
                body["required"] = not _may_be_absent(body["content"]["application/json"])
    document["components"]["schemas"]["Error"] = document["components"]["schemas"].pop("ErrorBody")
    return document


@get("/openapi.json", include_in_schema=False, media_type=MediaType.JSON)
async def openapi_document(request: AnyRequest) -> Response[bytes]:
    """The document itself; written once."""
    return Response(request.app.state["openapi_document"], media_type=MediaType.JSON)


@get("/docs", include_in_schema=False, media_type=MediaType.HTML)
async def docs_page() -> str:
    """The document as a page that fetches nothing from elsewhere."""
    return _PAGE


def keep_document(app: Litestar) -> None:
    """Write the document once, when the service starts."""
    app.state["openapi_document"] = json.encode(document_of(app))


ROUTES: list[ControllerRouterHandler] = [
    openapi_document,
    docs_page,
    create_static_files_router(
        path="/docs/ui", directories=[Path(swagger_ui_path)], include_in_schema=False
    ),
]


def _may_be_absent(content: dict[str, Any]) -> bool:
    """Whether None was an option; takes it out of the schema, where it would mean a null body."""
    schema = content["schema"]
    options = [option for option in schema.get("oneOf", []) if option != {"type": "null"}]
    if len(options) == len(schema.get("oneOf", [])):
        return False
    content["schema"] = options[0]
    return True


def _plain(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same schema without needless `oneOf`, empty keys and Litestar's defaults."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {
        key: _plain(value)
        for key, value in node.items()
        if (key, value) not in _NOISE and not (key == "headers" and not value)
    }
    for key, value in node.items():
        if isinstance(value, str) and value == "#/components/schemas/ErrorBody":
            node[key] = "#/components/schemas/Error"
    return _without_one_of(node)


_NOISE = (("deprecated", False), ("allowEmptyValue", False), ("allowReserved", False))


def _without_one_of(node: dict[str, Any]) -> dict[str, Any]:
    options = node.get("oneOf")
    if not isinstance(options, list):
        return node
    rest = {key: value for key, value in node.items() if key != "oneOf"}
    if len(options) == 1 and "$ref" not in options[0]:
        return {**options[0], **rest}
    typed = [option for option in options if option != {"type": "null"}]
    if len(typed) == 1 and len(options) == 2 and isinstance(typed[0].get("type"), str):  # noqa: PLR2004 - a type and null
        return {**typed[0], **rest, "type": [typed[0]["type"], "null"]}
    return node
