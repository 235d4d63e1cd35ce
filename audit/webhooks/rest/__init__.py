"""The webhook endpoints and deliveries of version 2 of the API."""
