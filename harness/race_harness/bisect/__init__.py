"""Which release, or which commit, is the first that is different.

The search and its rules are pure; `judging` and `ahead` touch environments and workers.
"""
