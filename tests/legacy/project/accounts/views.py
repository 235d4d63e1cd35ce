from django.contrib.auth import authenticate
from rest_framework import serializers
from rest_framework.authtoken.models import Token
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User


class SignUpSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ("id", "email", "name", "password")
        extra_kwargs = {"password": {"write_only": True}}

    def create(self, given):
        return User.objects.create_user(**given)


class SignUp(APIView):
    def post(self, request):
        serializer = SignUpSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data, status=201)


class SignIn(APIView):
    def post(self, request):
        user = authenticate(
            request, email=request.data.get("email"), password=request.data.get("password")
        )
        if user is None:
            return Response({"errors": ["Wrong e-mail address or password."]}, status=400)
        token, _ = Token.objects.get_or_create(user=user)
        return Response({"token": token.key})
