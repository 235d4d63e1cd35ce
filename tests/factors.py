"""Authenticator apps for tests: their codes are those of a clock that tests move."""

from django_otp.oath import TOTP

from audit.actors.actors import actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.factors import models
from audit.factors.commands import SetUpSecondFactor

SIGN_IN = "/admin/login/"
STEP = "/admin/login/second-step/"
SET_UP = "/second-factor/set-up/"
PAGE = "/second-factor/"


class Clock:
    """The time for codes, in seconds since 1970."""

    def __init__(self):
        self.now = 1_800_000_000

    def next(self):
        """Move on by one step, to another code."""
        self.now += 30


class App:
    """An authenticator app with a key."""

    def __init__(self, key, *, clock):
        self.key, self.clock = key, clock

    def code(self, *, off=0):
        """Return the code of now, or of a number of steps before or after."""
        totp = TOTP(self.key)
        totp.time = self.clock.now + off * 30
        return f"{totp.token():06d}"


def new_app(user, clock, *, replaces=False):
    """Set up a second factor for a user: return the app, and the recovery codes."""
    app = App(models.new_key(), clock=clock)
    command = SetUpSecondFactor(
        user_id=user.pk, key=models.key_text(app.key), code=app.code(), replaces=replaces
    )
    done = dispatch(command, context=Context(actor=actor_for_user(user)))
    clock.next()
    return app, done.secret.splitlines()
