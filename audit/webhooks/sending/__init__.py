"""Sending: the deliveries of an event, and the attempts at each until it is accepted."""
