"""The page of the report of eligible approvers."""
