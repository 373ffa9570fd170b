"""/docs: the API in a browser, with nothing fetched from anywhere else."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from clinic import Clinic
from envelope import refused

# Attributes by which a page fetches something by itself.
FETCHING = {"src", "href", "srcset", "data", "poster", "action", "formaction", "background"}
TYPES = {
    "css": ("text/css",),
    "js": ("text/javascript", "application/javascript"),
    "png": ("image/png",),
    "json": ("application/json",),
}


class Page(HTMLParser):
    """Collects what a page fetches, and its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.inline: list[str] = []
        self._is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value for name, value in attrs if name in FETCHING and value]
        self._is_code = tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if self._is_code and data.strip():
            self.inline.append(data)


@pytest.fixture(scope="module")
def page(clinic: Clinic) -> Page:
    answer = clinic.http.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    parsed = Page()
    parsed.feed(answer.text)
    return parsed


def is_ours(url: str) -> bool:
    parts = urlsplit(url)
    return url.startswith("data:") or (not parts.scheme and not parts.netloc)


def urls_of_css(css: str) -> list[str]:
    found = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", css)
    return [first or second for first, second in found]


def test_the_page_fetches_from_this_service_only(page: Page) -> None:
    assert len(page.fetched) >= 3, "an icon, a style and a script"
    assert [url for url in page.fetched if not is_ours(url)] == []


def test_what_the_page_itself_runs_names_no_other_host(page: Page) -> None:
    code = "\n".join(page.inline)

    assert "SwaggerUIBundle(" in code
    assert not re.search(r"(https?:)?//\w", code)
    assert "validatorUrl: null" in code, "or it would ask validator.swagger.io about every document"
    assert 'url: "/openapi.json"' in code


def test_everything_the_page_fetches_is_served_as_what_it_is(clinic: Clinic, page: Page) -> None:
    for url in [*page.fetched, "/openapi.json"]:
        answer = clinic.http.get(url)

        assert answer.status_code == 200, url
        assert len(answer.content) > 100
        assert answer.headers["Content-Type"].startswith(TYPES[url.rpartition(".")[2]])


def test_the_styles_fetch_nothing_from_elsewhere_either(clinic: Clinic, page: Page) -> None:
    sheets = [url for url in page.fetched if url.endswith(".css")]
    for sheet in sheets:
        urls = [urljoin(sheet, url) for url in urls_of_css(clinic.http.get(sheet).text)]
        assert [url for url in urls if not is_ours(url)] == []
    assert sheets


def test_the_check_of_styles_can_fail() -> None:
    css = '@import "https://fonts.example/a.css"; a { background: url(//cdn.example/a.png) }'

    assert [url for url in urls_of_css(css) if not is_ours(url)] == [
        "https://fonts.example/a.css",
        "//cdn.example/a.png",
    ]


def test_what_the_page_fetches_may_be_kept_for_a_day_as_what_it_is(
    clinic: Clinic, page: Page
) -> None:
    for url in page.fetched:
        answer = clinic.http.get(url)

        assert answer.headers["Cache-Control"] == "public, max-age=86400"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "%00",
        "swagger-ui.css%00",
        "..%2f..%2fetc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "%2fetc%2fpasswd",
        "x/../swagger-ui.css",
        "%ff",
        "x" * 5000,
        "swagger-ui.js",
        "index.html",
        "",
    ],
)
def test_nothing_else_is_served_beside_the_page(clinic: Clinic, name: str) -> None:
    answer = clinic.http.send(  # as it stands: a URL of httpx would resolve the dots
        clinic.http.build_request(
            "GET", "/docs", extensions={"target": f"/docs/ui/{name}".encode("ascii")}
        )
    )

    refused(answer, 404, "not_found")
    assert "Cache-Control" not in answer.headers


def test_a_file_of_the_page_can_be_asked_about_without_being_fetched(clinic: Clinic) -> None:
    asked, fetched = (
        clinic.http.request(method, "/docs/ui/swagger-ui.css") for method in ("HEAD", "GET")
    )

    assert asked.status_code == 200
    assert asked.content == b""
    assert asked.headers["Content-Length"] == str(len(fetched.content))


def test_the_page_needs_no_token(clinic: Clinic) -> None:
    for path in ("/docs", "/openapi.json", "/docs/ui/swagger-ui.css"):
        assert clinic.http.get(path).status_code == 200
