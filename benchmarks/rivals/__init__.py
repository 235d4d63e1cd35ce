"""What is measured beside us: packages that are installed beside the project and not into it."""
