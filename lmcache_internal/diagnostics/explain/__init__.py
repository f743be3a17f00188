"""Explain a miss: which chunks of a prompt are cached, and the reasons why the others are not.

Each reason is a fact with evidence. A cause that cannot be examined is not a reason; it is reported as not checked.
"""
