"""What each message means, one file a noun: a row of `rnnmuse.protocol` names the method here that acts on it.

A message that came by OSC, from a rig or by a learned controller is looked up in `table`; MIDI calls the methods
directly.
"""
