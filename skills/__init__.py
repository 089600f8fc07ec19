"""The head: everything known about Cloud Sync. What can be asked is written out in `skills/questions.py`."""
