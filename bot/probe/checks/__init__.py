"""One file per check: what it looks at, and how it tells one failure from another."""
