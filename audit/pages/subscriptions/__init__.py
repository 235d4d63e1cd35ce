"""The page of subscriptions."""
