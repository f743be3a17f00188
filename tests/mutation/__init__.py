"""Mutation testing: `make mutate` breaks the code in one place at a time, and the tests must fail."""
