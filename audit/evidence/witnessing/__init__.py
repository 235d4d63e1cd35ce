"""Sending checkpoints to those who keep them outside: directories, webhooks, people, witnesses."""
