"""What the interpreter and the operating system offer: thread frames, peer credentials, directories, log queues.

It may import `errors` alone.
"""
