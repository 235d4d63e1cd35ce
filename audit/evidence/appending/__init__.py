"""Adding leaves for records, and signing checkpoints: the work of `manage.py work`."""
