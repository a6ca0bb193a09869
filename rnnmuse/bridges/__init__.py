"""Between the wire and events: no musical decisions."""
