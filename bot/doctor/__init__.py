"""A look at the bot itself: line by line what works, what works in part, what misses, what that costs, and the fix."""
