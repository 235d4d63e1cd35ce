"""Other packages that authenticate by a token, installed beside the project and not into it."""
