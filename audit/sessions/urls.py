"""The URLs of the second factor, to be included at the root, before those of the admin."""

from django.db import transaction
from django.urls import path

from audit.sessions import second_factor as views

urlpatterns = [
    path(
        "admin/login/second-step/",
        transaction.non_atomic_requests(views.second_step),
        name="second-step",
    ),
    path(
        "second-factor/",
        transaction.non_atomic_requests(views.second_factor),
        name="second-factor",
    ),
    path(
        "second-factor/set-up/",
        transaction.non_atomic_requests(views.set_up),
        name="set-up-second-factor",
    ),
]
