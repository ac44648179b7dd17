"""
The words of the report, one file a section.

A sentence is a function of results that returns "" where its predicate does not hold; `section` puts the sentences,
tables and figures of a section in order. No number is written here that is not in the results.
"""
