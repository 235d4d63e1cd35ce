"""Process managers: they remember what has happened, wait, and send commands.

The state of a process, its timers, the commands that it sends and the checkpoint of its
subscription commit in one transaction.
"""
