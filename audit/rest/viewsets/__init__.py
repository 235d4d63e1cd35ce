"""Viewsets that send commands to the bus, and read the log."""
