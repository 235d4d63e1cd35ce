"""The pages of people and groups: facts, buttons, and what a button is about to do."""
