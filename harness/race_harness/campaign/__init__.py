"""Many trials of one client or several: measured, compared, confirmed, hunted."""
