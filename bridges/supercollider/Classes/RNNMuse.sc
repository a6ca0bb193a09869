// The connection to a running `rnnmuse live`. Notes come `ahead` seconds early, in bundles with their time.
RNNMuse {
	classvar <>default;
	var <host, <port, <ahead, <addr, <players, <connected = false, <beat = 0, <tempo = 120;
	var <>onBeat, <>onError, <>onText, responders, keeper, heard = 0;

	*new { |host = "127.0.0.1", port = 7707, ahead = 0.2|
		^super.newCopyArgs(host, port, ahead).init
	}

	init {
		addr = NetAddr(host, port);
		players = Array.fill(16, { |i| RNNMusePlayer(this, i + 1) });
		if(default.isNil) { default = this };
	}

	// Connect, and stay connected: the lease is renewed every two seconds, so a new rnnmuse is found as well.
	start {
		if(keeper.notNil) { ^this };
		responders = List.new;
		16.do { |i|
			this.prHear("/rnnmuse/out/%/note".format(i + 1), { |msg, time|
				players[i].prNote(msg[1], msg[2], msg[3], msg[4], time)
			})
		};
		16.do { |i|
			this.prHear("/rnnmuse/out/text/%".format(i + 1), { |msg, time|
				onText.value(i + 1, msg[3].asString, msg[4] == 1, time)
			})
		};
		this.prHear("/rnnmuse/subscribed", { connected = true });
		this.prHear("/rnnmuse/beat", { |msg| beat = msg[1]; tempo = msg[2]; onBeat.value(beat, tempo) });
		this.prHear("/rnnmuse/error", { |msg|
			if(onError.notNil) { onError.value(*msg[1..]) } { ("rnnmuse: " ++ msg[3]).warn }
		});
		this.prHear("/rnnmuse/probe", { |msg| addr.sendMsg("/rnnmuse/probed", msg[1], "supercollider") });
		keeper = SkipJack({
			addr.sendMsg("/rnnmuse/subscribe", 10, ahead);
			if(connected and: { Main.elapsedTime - heard > 5 }) {
				connected = false;
				this.release;
			}
		}, 2, name: "rnnmuse", clock: SystemClock);
	}

	stop {
		keeper.stop;
		keeper = nil;
		responders.do(_.free);
		addr.sendMsg("/rnnmuse/unsubscribe");
		connected = false;
		this.release;
	}

	prHear { |path, action|
		responders.add(OSCFunc({ |msg, time|
			heard = Main.elapsedTime;
			action.value(msg, time);
		}, path, addr).permanent_(true))
	}

	player { |number = 1| ^players[number - 1] }

	// Any address: m.send("/rnnmuse/transport/tempo", 96)
	send { |address ... arguments| addr.sendMsg(address, *arguments) }
	// A text player says so many chunks; 0 for without end. They come to onText.
	say { |player = 1, chunks = 8, seed|
		this.send("/rnnmuse/text/%/generate".format(player), *[chunks, seed].reject(_.isNil))
	}
	hush { |player = 1| this.send("/rnnmuse/text/%/stop".format(player)) }

	play { this.send("/rnnmuse/transport/play") }
	halt { this.send("/rnnmuse/transport/stop") }
	panic { this.send("/rnnmuse/transport/panic") }
	tempo_ { |bpm| this.send("/rnnmuse/transport/tempo", bpm) }

	// End every note that sounds here.
	release { players.do(_.release) }
}

// One of the sixteen players: its settings, the notes it hears, the notes it plays.
RNNMusePlayer {
	var <muse, <number, <sounding, <>onNote, <queue, <synths, path, instrument, args, server, listening = 0;

	*new { |muse, number| ^super.newCopyArgs(muse, number).init }

	init {
		sounding = IdentitySet.new;
		synths = IdentityDictionary.new;
		queue = List.new;
		path = "/rnnmuse/player/%/".format(number);
	}

	send { |word ... arguments| muse.addr.sendMsg(path ++ word, *arguments) }
	start { this.send("start") }
	stop { this.send("stop") }
	reset { this.send("reset") }
	mode_ { |mode| this.send("mode", mode.asString) }
	model_ { |name| this.send("model", name.asString) }
	set { |parameter, value|
		this.send("param/" ++ parameter, if(value.isKindOf(Symbol)) { value.asString } { value })
	}
	fader { |parameter, value| this.send("norm/" ++ parameter, value) }
	generate { |beats = 16, seed| this.send("generate", *[beats, seed].reject(_.isNil)) }

	// The player hears a note; velocity 0 ends it, or it ends after so many beats.
	note { |pitch, velocity = 90, beats|
		this.send("note", *[pitch.asInteger, velocity.asInteger, beats].reject(_.isNil))
	}

	// Play its notes with a SynthDef that has freq, amp and gate, each at its own time.
	play { |def = \default, arguments, target|
		instrument = def;
		args = arguments ? [];
		server = target ? Server.default;
	}

	mute { this.release; instrument = nil }

	// End what sounds here.
	release { sounding.copy.do { |pitch| this.prNote(pitch, 0, 0, 0, Main.elapsedTime) } }

	listen { |yes| listening = listening + if(yes, 1, -1); queue.clear }

	prNote { |pitch, velocity, beats, beat, time|
		if(velocity > 0) { sounding.add(pitch) } { sounding.remove(pitch) };
		if(instrument.notNil) { this.prSynth(pitch, velocity, time) };
		if(listening > 0 and: { velocity > 0 }) {
			queue.add((pitch: pitch, velocity: velocity, beats: beats, beat: beat, time: time))
		};
		onNote.value(pitch, velocity, time, beats, beat);
	}

	prSynth { |pitch, velocity, time|
		var delta = max(0, time - thisThread.seconds);
		var old = synths.removeAt(pitch);
		if(old.notNil) { server.sendBundle(delta, old.setMsg(\gate, 0)) };
		if(velocity > 0) {
			var synth = Synth.basicNew(instrument, server);
			synths[pitch] = synth;
			server.sendBundle(delta, synth.newMsg(server.defaultGroup,
				[\freq, pitch.midicps, \amp, (velocity / 127).squared, \gate, 1] ++ args));
		}
	}
}

// The notes of a player as Events: Pbindf(Prnnmuse(1), \instrument, \pluck).play
// `step` is how often it looks, in beats of its clock; each event has the latency that brings it to its own time.
Prnnmuse : Pattern {
	var <>number, <>muse, <>step;

	*new { |number = 1, muse, step = 0.02| ^super.newCopyArgs(number, muse, step) }

	storeArgs { ^[number, muse, step] }

	embedInStream { |inevent|
		var player = (muse ? RNNMuse.default).player(number);
		var cleanup = EventStreamCleanup.new;
		player.listen(true);
		cleanup.addFunction(inevent, { player.listen(false) });
		loop {
			var note;
			if(player.queue.isEmpty) {
				inevent = Event.silent(step, inevent).yield;
			} {
				note = player.queue.removeAt(0);
				inevent = inevent.copy.putAll((
					midinote: note.pitch,
					amp: (note.velocity / 127).squared,
					sustain: if(note.beats > 0) { note.beats } { 0.5 } * 60 / player.muse.tempo * thisThread.clock.tempo,
					delta: 0,
					latency: max(0, note.time - thisThread.seconds),
					rnnmuse: note
				)).yield;
			};
			if(inevent.isNil) { ^nil.yield };
			cleanup.update(inevent);
		}
	}
}
