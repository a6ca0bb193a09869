"""Reading, writing and analysing music."""
