"""Tests of the documents: every code block is run as a reader would run it."""
