"""What installs the probe on a Windows server: its service, its account, its rights, and their removal."""
