"""The foundation that holds documents: catalogue, vectors, lexical search, hybrid retrieval.

Passive: it records nothing in the log and does not know who asks.
"""
