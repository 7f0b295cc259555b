"""A failure told: as a timeline, in words, as Mermaid, as a page, as a trace, as a test."""
