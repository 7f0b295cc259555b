"""Schedules: drawn from scenarios, hunted, shrunk, varied. It runs none of them."""
