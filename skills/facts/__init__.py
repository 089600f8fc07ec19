"""Everything that can be known for one question: frozen records, parsed where they enter."""
