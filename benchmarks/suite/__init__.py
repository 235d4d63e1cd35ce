"""All that is promised of the program's speed, measured in one run beside what others reach."""
