"""The current log and its keys, and the directories that keep its checkpoints outside."""
