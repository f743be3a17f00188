"""The documents do what they say: every block of theirs is run, as a reader would."""
