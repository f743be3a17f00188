"""Authentication, authorization, CSRF and DNS-rebinding protection, and the audit log.

It may import `operations`, `redaction`, `system` and the modules that everything may import; it knows of no endpoint.
"""
