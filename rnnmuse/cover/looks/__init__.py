"""Print looks: how a composition is drawn in a few flat inks, as pixels or as vectors."""
