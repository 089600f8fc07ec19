"""How answers look: pure functions from what was found to a card."""
