// rnnmuse in ChucK. Add this file first:   chuck RNNMuse.ck yours.ck
//
//   RNNMuse muse;
//   muse.start(7707, 7708);            // rnnmuse's port; a free port of ours for what it sends
//   muse.send("player/1/start");
//   while (true) {
//     muse.next => now;                // a note has come
//     while (muse.take()) <<< muse.player, muse.pitch, muse.velocity, muse.beats, muse.beat >>>;
//   }

public class RNNMuse
{
    OscOut out;
    OscIn in;
    Event next;
    int port;
    int ours;
    0 => int connected;
    0 => int player;
    0 => int pitch;
    0 => int velocity;
    0 => float beats;
    0 => float beat;
    0 => int began;
    0 => int ended;
    int queue[1024][3];
    float times[1024][2];
    int sounding[17][128];
    time heard;

    fun void start(int thePort, int ourPort)
    {
        thePort => port;
        ourPort => ours;
        out.dest("127.0.0.1", port);
        ours => in.port;
        in.listenAll();
        now => heard;
        spork ~ listen();
        spork ~ keep();
        me.yield();
    }

    // A word of an address without arguments: "transport/play", "player/1/start".
    fun void send(string word)
    {
        out.start("/rnnmuse/" + word);
        out.send();
    }

    // With one number: "player/1/param/density", "transport/tempo".
    fun void send(string word, float value)
    {
        out.start("/rnnmuse/" + word);
        out.add(value);
        out.send();
    }

    // With a text: "player/1/mode".
    fun void send(string word, string text)
    {
        out.start("/rnnmuse/" + word);
        out.add(text);
        out.send();
    }

    // A player hears a note; velocity 0 ends it.
    fun void note(int number, int thePitch, int theVelocity)
    {
        out.start("/rnnmuse/player/" + number + "/note");
        out.add(thePitch);
        out.add(theVelocity);
        out.send();
    }

    // The next note that has come, in player, pitch, velocity (0: it ends), beats, beat; 0 if there is none.
    fun int take()
    {
        if (began == ended) return 0;
        queue[began][0] => player;
        queue[began][1] => pitch;
        queue[began][2] => velocity;
        times[began][0] => beats;
        times[began][1] => beat;
        (began + 1) % 1024 => began;
        return 1;
    }

    fun void put(int number, int thePitch, int theVelocity, float theBeats, float theBeat)
    {
        theVelocity > 0 => sounding[number][thePitch];
        number => queue[ended][0];
        thePitch => queue[ended][1];
        theVelocity => queue[ended][2];
        theBeats => times[ended][0];
        theBeat => times[ended][1];
        (ended + 1) % 1024 => ended;
        next.broadcast();
    }

    // How many notes sound.
    fun int open()
    {
        0 => int count;
        for (1 => int p; p < 17; p++) for (0 => int n; n < 128; n++) sounding[p][n] +=> count;
        return count;
    }

    fun void listen()
    {
        OscMsg message;
        while (true)
        {
            in => now;
            while (in.recv(message))
            {
                now => heard;
                if (message.address == "/rnnmuse/subscribed") 1 => connected;
                else if (message.address == "/rnnmuse/probe")
                {
                    out.start("/rnnmuse/probed");
                    out.add(message.getInt(0));
                    out.add("chuck");
                    out.send();
                }
                else if (message.typetag == "iiff" && message.address.find("/rnnmuse/out/") == 0)
                {
                    message.address.substring(13) => string rest;
                    put(Std.atoi(rest.substring(0, rest.find("/"))), message.getInt(0), message.getInt(1),
                        message.getFloat(2), message.getFloat(3));
                }
            }
        }
    }

    // Every two seconds the lease is renewed, so a new rnnmuse is found; after five of silence every note is ended.
    fun void keep()
    {
        while (true)
        {
            out.start("/rnnmuse/subscribe");
            out.add(10.0);
            out.add(0.0);
            out.add(ours);
            out.send();
            if (now - heard > 5::second)
            {
                0 => connected;
                for (1 => int p; p < 17; p++)
                    for (0 => int n; n < 128; n++)
                        if (sounding[p][n]) put(p, n, 0, 0, 0);
            }
            2::second => now;
        }
    }
}
