"""The parts of a schedule; `model.schedule` has them all."""
