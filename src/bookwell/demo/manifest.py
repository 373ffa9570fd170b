"""The demo described for programs: where it is, who is in it, and their tokens."""

from pathlib import Path

from msgspec import Struct

from bookwell.demo.people import BRANDS, clinicians_of, coaches_of, patients_of
from bookwell.demo.tokens import Tokens
from bookwell.demo.whole_files import write_whole


class BrandManifest(Struct, frozen=True, kw_only=True):
    """A brand; its first two patients are those of the two patients' tokens."""

    id: str
    tokens: dict[str, str]
    patients: list[str]
    providers: list[str]
    coaches: list[str]


class Manifest(Struct, frozen=True, kw_only=True):
    """The demo."""

    base_url: str
    database_url: str
    brands: list[BrandManifest]


def manifest_of(base_url: str, database_url: str, tokens: Tokens) -> Manifest:
    return Manifest(
        base_url=base_url,
        database_url=database_url,
        brands=[
            BrandManifest(
                id=brand_id,
                tokens=tokens[brand_id],
                patients=[patient.patient_id for patient in patients_of(brand_id)],
                providers=[clinician.provider_id for clinician in clinicians_of(brand_id)],
                coaches=[coach.coach_id for coach in coaches_of(brand_id)],
            )
            for brand_id in BRANDS
        ],
    )


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write it in one step, readable by us only, because it holds tokens. Raises OSError."""
    write_whole(path, manifest)
