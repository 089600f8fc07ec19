"""All collectors, written out: one function for each source that can be asked."""
