"""The document of the API: what each operation takes and answers, read off the code."""
