"""Musical decisions: what may be played when, and the loop that plays it."""
