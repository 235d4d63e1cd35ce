"""Measurements that others can run. Each prints ratios of what it measured side by side."""
