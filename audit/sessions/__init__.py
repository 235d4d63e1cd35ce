"""Sessions of people: signing in, with limits, and how long a session lasts."""
