"""What the two sides know of a layer: packages in front of another environment's."""

from typing import Final

PATH_FILE: Final = "race_harness_at_hand.pth"
"""Puts the other environment's packages behind the layer's own. It is in no other environment."""
