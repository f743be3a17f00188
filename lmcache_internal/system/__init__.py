"""Access to the interpreter and the operating system: thread frames, peer credentials, directories, log queues.

It may import only `errors`.
"""
