"""The language of conditions: output of its compiler."""
