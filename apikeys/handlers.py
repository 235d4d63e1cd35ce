"""The service layer: each function carries one command out."""

from apikeys.commands import AddMember, CreateApiKey, CreateCustomer, DisableApiKey, EnableApiKey
from apikeys.credentials import Token
from apikeys.events import (
    ApiKeyCreated,
    ApiKeyDisabled,
    ApiKeyEnabled,
    CustomerCreated,
    MemberAdded,
)
from apikeys.models import ApiKey, Customer
from audit.context import Context
from audit.registry import handles


@handles(CreateCustomer)
def create_customer(command: CreateCustomer, context: Context) -> Customer:
    customer = Customer.objects.create(pk=command.customer_id, name=command.name)
    context.emit(CustomerCreated(customer_id=customer.pk, name=customer.name))
    return customer


@handles(AddMember)
def add_member(command: AddMember, context: Context) -> Customer:
    customer = Customer.objects.select_for_update().get(pk=command.customer_id)
    customer.membership_set.create(user_id=command.user_id)
    context.emit(MemberAdded(customer_id=customer.pk, user_id=command.user_id))
    return customer


@handles(CreateApiKey)
def create_api_key(command: CreateApiKey, context: Context) -> ApiKey:
    # When a held creation is replayed, its caller is gone: nobody would see the secret but the
    # last approver. The key waits without one until its requester picks it up.
    token = None if context.is_replay else Token.generate()
    api_key = ApiKey.objects.create(
        pk=command.api_key_id,
        customer_id=command.customer_id,
        owner_id=command.owner_id,
        name=command.name,
        prefix=token.prefix if token else "",
    )
    if token:
        api_key.secrets.create(digest=token.digest)
        context.reveal(token.text)
    context.emit(
        ApiKeyCreated(
            api_key_id=api_key.pk,
            customer_id=api_key.customer_id,
            owner_id=api_key.owner_id,
            name=api_key.name,
            has_secret=token is not None,
        )
    )
    return api_key


@handles(EnableApiKey)
def enable_api_key(command: EnableApiKey, context: Context) -> ApiKey:
    api_key = ApiKey.objects.select_for_update().get(pk=command.api_key_id)
    api_key.enable()
    context.emit(ApiKeyEnabled(api_key_id=api_key.pk))
    return api_key


@handles(DisableApiKey)
def disable_api_key(command: DisableApiKey, context: Context) -> ApiKey:
    api_key = ApiKey.objects.select_for_update().get(pk=command.api_key_id)
    api_key.disable()
    context.emit(ApiKeyDisabled(api_key_id=api_key.pk))
    return api_key
