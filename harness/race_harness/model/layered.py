"""What both sides know of a layer: an environment whose packages precede those of another."""

from typing import Final

PATH_FILE: Final = "race_harness_at_hand.pth"
"""The file that puts the other environment's packages behind the layer's own. Only a layer has
it."""
