"""coral.yml: the schema is the truth, the loader puts file and line into every error.

Nothing is imported here: processes that only need the rules for paths do without the schema.
"""
