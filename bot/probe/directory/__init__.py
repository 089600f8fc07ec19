"""The probe's view of Active Directory: reads, over LDAP, what the local policy file lets it read, and nothing else."""
