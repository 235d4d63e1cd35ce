"""The page of process instances and their timers."""
