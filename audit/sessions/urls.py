"""The URLs of the second factor and of confirming a sign-in.

They are included at the root, before those of the admin.
"""

from django.db import transaction
from django.urls import path

from audit.sessions import second_factor as views
from audit.sessions.step_up import confirm_sign_in

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
    path(
        "confirm-sign-in/",
        transaction.non_atomic_requests(confirm_sign_in),
        name="confirm-sign-in",
    ),
]
