"""The routes of what differs for a provider in a brand's visit types."""

from litestar import Response, delete, get, put
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from bookwell.domain.callers import ADMIN_SCOPE
from bookwell.domain.visit_types import ProviderVisitType
from bookwell.http.calls import AnyRequest, answer, call_of, database_of
from bookwell.http.fields import Id, or_none
from bookwell.http.paging import LIMIT_DEFAULT, Cursor, Limit, read_id_cursor
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.visit_types import (
    TAG,
    BrandOfCaller,
    TermsFields,
    VisitTypeBody,
    VisitTypeInPath,
    VisitTypeList,
    provider_visit_type_body,
    terms_fields,
    visit_types_as_for_provider,
)
from bookwell.usecases import visit_types


class SetOverride(TermsFields, kw_only=True):
    """What differs for the provider; what is absent is as the brand has it."""

    is_offered: bool | UnsetType = UNSET
    brand_id: Id | UnsetType = UNSET


@get(
    "/v1/providers/{id:str}/visit-types",
    **operation(
        "list_provider_visit_types",
        "List visit types as for a provider",
        tag=TAG,
        scope="read:slots",
    ),
    response_description="List of visit types",
    responses=refusals({404: "Provider not found"}),
)
async def list_provider_visit_types(
    request: AnyRequest,
    provider_id: PathId,
    brand_id: BrandOfCaller,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> VisitTypeList:
    """The brand's visit types as they are for this provider, also those they do not offer."""
    page = await visit_types.list_provider_visit_types(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        provider_id,
        after_id=read_id_cursor(cursor),
        limit=limit,
    )
    return visit_types_as_for_provider(page)


@put(
    "/v1/providers/{id:str}/visit-types/{visit_type:str}",
    **operation(
        "set_visit_type_override",
        "Override a visit type for a provider",
        tag=TAG,
        scope=ADMIN_SCOPE,
    ),
    response_description="Visit type as it is for the provider",
    responses=refusals({404: "Provider or visit type not found"}),
)
async def set_override(
    request: AnyRequest,
    provider_id: PathId,
    visit_type: VisitTypeInPath,
    data: JSONBody[SetOverride],
) -> Response[VisitTypeBody]:
    """Say all that differs for this provider. `is_offered: false` is a type they do not do."""
    said = terms_fields(data)
    overridden = visit_types.put_override(
        database_of(request),
        await call_of(request, brand_id=or_none(data.brand_id)),
        provider_id,
        visit_type,
        said,
    )
    return await answer(overridden, ProviderVisitType, provider_visit_type_body)


@delete(
    "/v1/providers/{id:str}/visit-types/{visit_type:str}",
    **operation(
        "remove_visit_type_override",
        "Remove a provider's override",
        tag=TAG,
        scope=ADMIN_SCOPE,
    ),
    status_code=200,
    response_description="Visit type as it is for the provider",
    responses=refusals({404: "Not found"}),
)
async def remove_override(
    request: AnyRequest, provider_id: PathId, visit_type: VisitTypeInPath
) -> Response[VisitTypeBody]:
    """Have the brand's own terms hold for this provider again."""
    restored = visit_types.remove_override(
        database_of(request), await call_of(request), provider_id, visit_type
    )
    return await answer(restored, ProviderVisitType, provider_visit_type_body)


ROUTES = [
    list_provider_visit_types,
    set_override,
    remove_override,
]
