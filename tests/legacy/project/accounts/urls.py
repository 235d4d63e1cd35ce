from django.urls import path

from accounts import views

urlpatterns = [
    path("users/", views.SignUp.as_view()),
    path("users/sign-in/", views.SignIn.as_view()),
]
