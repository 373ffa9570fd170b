"""Who offers and who books: brands, providers, their affiliations, patients."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class ProviderKind(StrEnum):
    """What a provider offers: clinicians offer slots, coaches offer office hours.

    The kind decides where a person's time is kept, so that one constraint sees all of it.
    """

    CLINICIAN = "clinician"
    COACH = "coach"


class Brand(Struct, frozen=True, kw_only=True):
    """A brand of the platform."""

    brand_id: str
    name: str
    created_at: datetime


class Provider(Struct, frozen=True, kw_only=True):
    """A person as one brand knows them. `provider_no` is the person, in whatever brand."""

    provider_no: int
    provider_id: str
    brand_id: str
    kind: ProviderKind
    name: str
    created_at: datetime


class Patient(Struct, frozen=True, kw_only=True):
    """A patient of one brand; `subject` is the `sub` of their own tokens."""

    brand_id: str
    patient_id: str
    subject: str | None
    created_at: datetime
