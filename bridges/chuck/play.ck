// Player 1 plays by itself, on a few strings:   chuck RNNMuse.ck play.ck
RNNMuse muse;
muse.start(7707, 7708);
StifKarp strings[8];
NRev room => dac;
0.1 => room.mix;
for (0 => int i; i < strings.size(); i++) strings[i] => room;
0 => int turn;
muse.send("player/1/start");
while (true)
{
    muse.next => now;
    while (muse.take())
    {
        if (muse.velocity == 0) continue;
        Std.mtof(muse.pitch) => strings[turn].freq;
        strings[turn].noteOn(muse.velocity / 127.0);
        (turn + 1) % strings.size() => turn;
    }
}
