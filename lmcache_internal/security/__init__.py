"""Authentication, authorization, CSRF and DNS-rebinding protection, and the audit log.

It may import `operations`, `redaction`, `system` and the modules that every package may import. It does not depend on
any endpoint.
"""
