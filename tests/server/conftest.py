"""Puts this folder on the path, since the folders below use its rig, too."""
