"""The record as a page, as Markdown for a pull request, and as JUnit for CI."""
