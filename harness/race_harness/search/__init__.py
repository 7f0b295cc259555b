"""Draws, varies and shrinks schedules, and decides what a hunt tries next. It runs none of
them."""
