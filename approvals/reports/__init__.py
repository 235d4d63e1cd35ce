"""The report of eligible approvers: who could approve what, and when."""
