"""The record of every trial: one SQLite file, written as trials finish."""
