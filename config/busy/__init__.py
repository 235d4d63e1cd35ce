"""A busy month of the demo: many people at work, every step of it through the bus."""
