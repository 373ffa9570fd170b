"""`bookwell token`: the tokens that this service issues itself."""

from typing import Annotated, Any

import typer

from bookwell.cli.listing import each_page, show
from bookwell.cli.opened import brand_call, on_database, operator_call
from bookwell.cli.options import AsJson, DatabaseUrl, DataDir, as_brand, as_id
from bookwell.domain.callers import SCOPES, Role
from bookwell.storage.database import Database
from bookwell.storage.tokens import EVERY_BRAND, Token
from bookwell.usecases.tokens import create_token, list_tokens, revoke_token

tokens = typer.Typer(help="Create, list and revoke bearer tokens.")

# A year; a token that must live longer is issued without an end.
EXPIRES_IN_MAX = 366 * 24 * 3600


def _brand_or_every(text: str) -> str:
    return text if text == EVERY_BRAND else as_brand(text)


AnyBrand = Annotated[
    str,
    typer.Option(
        "--brand",
        metavar="BRAND",
        parser=_brand_or_every,
        help="The brand's id, or '*' for a service of the whole platform.",
    ),
]


@tokens.command(
    "create",
    epilog="Example: TOKEN=$(bookwell token create --brand loop --role staff --subject me)",
)
def create(
    *,
    brand: AnyBrand,
    role: Annotated[Role, typer.Option(help="Whom the token stands for.")],
    subject: Annotated[
        str,
        typer.Option(
            metavar="SUBJECT",
            parser=as_id,
            help="Their `sub`; a patient's is the one of `bookwell patient add --subject`.",
        ),
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE",
            help=f"What it allows, once for each; the role's usual ones otherwise. "
            f"One of {', '.join(SCOPES)}.",
        ),
    ] = None,
    expires_in: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=EXPIRES_IN_MAX,
            metavar="SECONDS",
            help="Without it, the token lives until it is revoked.",
        ),
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Create a token, and print it alone.

    It is shown this once: the database keeps only a hash of it.
    """

    async def work(database: Database) -> str:
        issued = await create_token(
            database,
            await brand_call(database, brand),
            role=role,
            subject=subject,
            scopes=scope,
            expires_in=expires_in,
        )
        return issued.secret

    typer.echo(on_database(database_url, data_dir, work))


@tokens.command("revoke")
def revoke(
    token_or_id: Annotated[
        str, typer.Argument(metavar="TOKEN_OR_ID", help="The token, or its id (tok_…).")
    ],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """End a token at once, for every worker."""

    async def work(database: Database) -> str:
        call = operator_call(EVERY_BRAND)
        return (await revoke_token(database, call, secret_or_id=token_or_id)).token_id

    typer.echo(f"Revoked {on_database(database_url, data_dir, work)}.")


@tokens.command("list")
def list_(
    *,
    brand: AnyBrand,
    as_json: AsJson = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List a brand's tokens, without the tokens themselves."""

    async def work(database: Database) -> None:
        call = await brand_call(database, brand)
        pages = each_page(
            lambda after_id, limit: list_tokens(database, call, after_id=after_id, limit=limit)
        )
        columns = ("id", "role", "subject", "scopes", "expires_at", "revoked_at")
        await show(pages, _describe, columns=columns, as_json=as_json)

    on_database(database_url, data_dir, work)


def _describe(token: Token) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "brand_id": token.brand_id,
        "role": token.role,
        "subject": token.subject,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }
