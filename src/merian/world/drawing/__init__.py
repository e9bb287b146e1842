"""Drawing bodies, what they lie on, and what a camera makes of it."""
