"""People who sign in by e-mail address, and have no user name."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class PersonManager(BaseUserManager):
    def create_user(self, email, password=None, **fields):
        person = self.model(email=self.normalize_email(email), **fields)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    number = models.BigAutoField(primary_key=True, db_column="person_no")
    email = models.EmailField(unique=True, db_column="address")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    objects = PersonManager()
    USERNAME_FIELD = "email"

    def __str__(self):
        return self.email
