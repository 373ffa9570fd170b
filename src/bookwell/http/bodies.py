"""Request bodies: JSON, read strictly into what the route takes (CONTRACT.md, decision 17).

Litestar would first read any JSON and then convert it, and on the way `"3"` became 3 and a number
an instant.
"""

from functools import cache
from typing import Any

import msgspec
from litestar import Request

from bookwell.domain.errors import InvalidInput
from bookwell.http.fields import problem_of


class JsonRequest(Request[Any, Any, Any]):
    """A request as Litestar makes it, except that it reads its own body."""

    async def json(self) -> Any:  # noqa: ANN401 - as Litestar declares it
        """The body, as the route's type for it.

        Raises:
            InvalidInput: It is no JSON, or does not fit; the field is named, its value is not.
        """
        field = self.route_handler.parsed_data_field
        assert field is not None, "Litestar reads the body of a route that takes one"
        body = await self.body()
        try:
            return _reader_of(field.annotation).decode(body.decode())
        except UnicodeDecodeError as error:
            raise InvalidInput("The request body must be UTF-8.", field="body") from error
        except RecursionError as error:
            raise InvalidInput("The request body is nested too deeply.", field="body") from error
        except msgspec.ValidationError as error:
            raise _refusal_of(str(error)) from error
        except msgspec.DecodeError as error:
            raise InvalidInput("The request body must be valid JSON.", field="body") from error


@cache
def _reader_of(annotation: Any) -> "msgspec.json.Decoder[Any]":  # noqa: ANN401 - any type of a route
    return msgspec.json.Decoder(annotation)


def _refusal_of(sentence: str) -> InvalidInput:
    """What msgspec says ("Expected `int`, got `str` - at `$.capacity`"), for people."""
    problem, _, place = sentence.partition(" - at ")
    # A list names its item; of an object with any keys, msgspec says `[...]`, which names none.
    path = place.strip("`").removeprefix("$").removeprefix(".").partition("[...]")[0]
    _, is_missing, name = problem.partition("missing required field ")
    if is_missing:
        field = ".".join(part for part in (path, name.strip("`")) if part)
        return InvalidInput(f"{field} is required.", field=field)
    if not path:
        return InvalidInput("The request body must be a JSON object.", field="body")
    return InvalidInput(problem_of(path, problem), field=path)
