"""What the demo prints for a person: where it is, the tokens, and lines to paste into a shell."""

import sys
from pathlib import Path
from shlex import quote
from shutil import which

from rich.console import Console
from rich.text import Text

from bookwell.demo.manifest import Manifest

# The other patient's token stands in the manifest, for programs.
SHOWN_TOKENS = ("patient", "staff", "service")

# Plain sh: each statement can be pasted alone, or all of them at once, and zsh, which knows no
# comments at its prompt, takes them too. `pick` takes a value out of JSON with the Python that is
# here anyway.
LINES = """\
API={base_url}/v1
AUTH='Authorization: Bearer {token}'
JSON='Content-Type: application/json'
pick() {{ python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }}

FREE="$API/slots?brand_id={brand}&visit_type=follow_up&time_zone=America/New_York"
curl -s "$FREE&first_available=true" -H "$AUTH" | python3 -m json.tool
NEXT="$FREE&provider_id={provider}&limit=2"
SLOT=$(curl -s "$NEXT" -H "$AUTH" | pick '["slots"][0]["id"]')
TIME=$(curl -s "$NEXT" -H "$AUTH" | pick '["slots"][0]["start_time"]')
LATER=$(curl -s "$NEXT" -H "$AUTH" | pick '["slots"][1]["id"]')

VISIT=$(curl -s $API/visits -H "$AUTH" -H "$JSON" -d '{{"brand_id": "{brand}",
  "patient_id": "{patient}", "slot_id": "'$SLOT'", "visit_type": "follow_up"}}' | pick '["id"]')
curl -s $API/visits/$VISIT -H "$AUTH" | python3 -m json.tool

WHY="$API/slots/explain?brand_id={brand}&visit_type=follow_up&provider_id={provider}"
curl -s "$WHY&start_time=$TIME" -H "$AUTH" | python3 -m json.tool

curl -s $API/visits/$VISIT/cancel/quote -H "$AUTH" | python3 -m json.tool
curl -s $API/visits/$VISIT/reschedule -H "$AUTH" -H "$JSON" \\
  -d '{{"new_slot_id": "'$LATER'"}}' | python3 -m json.tool
curl -s $API/visits/$VISIT/cancel -H "$AUTH" -H "$JSON" \\
  -d '{{"reason": "feeling better"}}' | python3 -m json.tool

sleep 1
curl -s "$API/events?visit_id=$VISIT" -H "$AUTH" | python3 -m json.tool
"""


def show_page(manifest: Manifest, data_dir: Path) -> None:
    """Print it. No line is ever wrapped or cut, because lines and tokens are there to be copied."""
    console = Console(highlight=False, soft_wrap=True)

    def show(*parts: str | tuple[str, str]) -> None:
        console.print(Text.assemble(*parts))

    url = manifest.base_url
    show()
    show(("  The demo is running at ", "bold"), (url, "bold cyan"), ("   Ctrl-C stops it.", "dim"))
    show()
    show("  API page   ", (f"{url}/docs", "cyan"))
    show("  OpenAPI    ", (f"{url}/openapi.json", "cyan"))
    where = f"--data-dir {quote(str(data_dir))}"
    show(f"  Commands   {_command()} patient list --brand loop {where}")
    show(f"  A week     {_command()} schedule show {manifest.brands[0].providers[1]} {where}")
    staff = manifest.brands[0].tokens["staff"]
    show(f"  Live       curl -N {url}/v1/events/stream -H 'Authorization: Bearer {staff}'")
    for brand in manifest.brands:
        show()
        show((f"  Tokens of {brand.id}", "bold"))
        for name in SHOWN_TOKENS:
            whose = brand.patients[0] if name == "patient" else ""
            show(f"  {name:9}  ", (brand.tokens[name], "green"), (f"  {whose}".rstrip(), "dim"))
    show()
    show(
        ("  Find a slot, book it, reschedule and cancel it, read what others hear", "bold"),
        ("   Paste this into another terminal.", "dim"),
    )
    show()
    show(lines_of(manifest))


def _command() -> str:
    """How to call us again: by name where the shell finds it, else by our place."""
    if which("bookwell"):
        return "bookwell"
    program = Path(sys.executable).with_name("bookwell")
    is_below = program.is_relative_to(Path.cwd())
    return quote(str(program.relative_to(Path.cwd()) if is_below else program))


def lines_of(manifest: Manifest) -> str:
    """The lines to paste, for the first brand's patient and the clinician who is always there."""
    brand = manifest.brands[0]
    return LINES.format(
        base_url=manifest.base_url,
        token=brand.tokens["patient"],
        provider=brand.providers[-1],
        brand=brand.id,
        patient=brand.patients[0],
    )
