"""Settings, entry points, and the embedded database of a first run."""
