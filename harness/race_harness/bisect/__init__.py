"""Finds the first release, or commit, that is different.

The search and its rules are pure; `judging` and `ahead` touch environments and workers.
"""
