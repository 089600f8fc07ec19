"""The one place where the LDAP library is taken in."""

import warnings

with warnings.catch_warnings():
    # It uses names that its own decoder (pyasn1) has renamed and will keep for now; nothing that we could do about it.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3 as ldap3
    from ldap3.core.exceptions import LDAPException as LDAPException
    from ldap3.core.exceptions import LDAPPackageUnavailableError as LDAPPackageUnavailableError
    from ldap3.protocol.microsoft import security_descriptor_control as security_descriptor_control
    from ldap3.protocol.microsoft import show_deleted_control as show_deleted_control
    from ldap3.utils.conv import escape_bytes as escape_bytes
    from ldap3.utils.conv import escape_filter_chars as escape_filter_chars
