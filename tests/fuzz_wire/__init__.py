"""A fuzzer of the HTTP wire: `make fuzz-wire`.

It sends random streams of requests, valid and broken, complete and in pieces, to the server and to plain waitress with
the same app. Both must respond with the same statuses and bodies; `differences.py` lists the exceptions.
"""
