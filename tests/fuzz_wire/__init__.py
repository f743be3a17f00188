"""A fuzzer of the HTTP wire: `make fuzz-wire`.

Random streams of requests, valid and broken, whole and in pieces, go to the server and to plain waitress with the same
app. Both must answer with the same statuses and bodies; `differences.py` lists where they may not.
"""
