from audit.log.orders import (
    Key as Key,
)
from audit.log.orders import (
    Order as Order,
)
from audit.rest.bodies import (
    refuse_misfits as refuse_misfits,
)
from audit.rest.exception_handlers import (
    plain as plain,
)
from audit.rest.listing import (
    ListQuery as ListQuery,
)
from audit.rest.listing import (
    WholeNumberField as WholeNumberField,
)
from audit.rest.listing import (
    body as body,
)
from audit.rest.listing import (
    page as page,
)
from audit.rest.openapi.operations import (
    documented as documented,
)
from audit.rest.openapi.operations import (
    refuses_with as refuses_with,
)
from audit.rest.parameters import (
    IdField as IdField,
)
from audit.rest.parameters import (
    MessageTypeField as MessageTypeField,
)
from audit.rest.parameters import (
    SubjectField as SubjectField,
)
from audit.rest.parsers import (
    JSONParser as JSONParser,
)
from audit.rest.references import (
    ActorReference as ActorReference,
)
from audit.rest.references import (
    Address as Address,
)
from audit.rest.references import (
    CommandReference as CommandReference,
)
from audit.rest.references import (
    Reference as Reference,
)
from audit.rest.references import (
    Uuid as Uuid,
)
from audit.rest.references import (
    Version as Version,
)
from audit.rest.references import (
    address as address,
)
from audit.rest.references import (
    one_of as one_of,
)
from audit.rest.references import (
    reference as reference,
)
from audit.rest.references import (
    resource as resource,
)
from audit.rest.references import (
    status_url as status_url,
)
from audit.rest.resources import (
    PendingApproval as PendingApproval,
)
from audit.rest.resources import (
    pending_approvals as pending_approvals,
)
from audit.rest.resources import (
    present_pending as present_pending,
)
from audit.rest.times import (
    TimeField as TimeField,
)
from audit.rest.viewsets.actors import (
    ActorViewSet as ActorViewSet,
)
from audit.rest.viewsets.actors import (
    ExceptionHandler as ExceptionHandler,
)
from audit.rest.viewsets.commands import (
    CommandInput as CommandInput,
)
from audit.rest.viewsets.commands import (
    CommandViewSet as CommandViewSet,
)
