"""The truth on disk: units and attempts, durable writes, the driver's lock, and what is found on return.

What is recorded is decided elsewhere; the schema of the records is `glifr.records`.
"""
