"""What leads the clock: another program's MIDI clock, Ableton Link, OSC, Ardour. Each follows while it is the
source."""
