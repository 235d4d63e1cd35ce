"""Reactions: functions that are called for events, in the order of the log.

What a function writes and the checkpoint of its subscription commit together, so each event has its
effect exactly once. `manage.py work` calls them.
"""
