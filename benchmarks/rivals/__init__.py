"""The packages that are compared with us: installed beside the project and not into it."""
