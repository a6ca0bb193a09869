RNNMuse muse;
muse.start(Std.atoi(me.arg(0)), Std.atoi(me.arg(1)));
SinOsc tone => dac;
0 => tone.gain;
while (true)
{
    muse.next => now;
    while (muse.take())
    {
        muse.note(muse.player, muse.pitch, muse.velocity);
        Std.mtof(muse.pitch) => tone.freq;
        (muse.velocity > 0) * 0.5 => tone.gain;
        cherr <= "open: " <= muse.open() <= IO.newline();
        cherr.flush();
    }
}
