// rnnmuse for Bitwig Studio 5: its transport starts, stops and paces rnnmuse live, and eight knobs are a player's
// parameters. Notes go by MIDI: "rnnmuse out" is this controller's input, and a note input of its own.
loadAPI(18);
host.setShouldFailOnDeprecatedUse(true);
host.defineController("rnnmuse", "rnnmuse", "0.1", "5f6f3a56-6d2b-4a1f-9c0e-7a1d52b7c0aa", "rnnmuse");
host.defineMidiPorts(1, 0);
host.addDeviceNameBasedDiscoveryPair(["rnnmuse out"], []);

var KNOBS = ["temperature", "top_p", "density", "velocity", "humanise", "low", "high", "silence"];
var line;

function send(address, value) {
   try {
      line.sendMessage(address, value);
   } catch (error) {
      host.errorln("rnnmuse: " + error);
   }
}

function init() {
   var preferences = host.getPreferences();
   var port = preferences.getNumberSetting("OSC port", "rnnmuse live", 1, 65535, 1, "", 7707);
   var player = preferences.getNumberSetting("Player", "rnnmuse live", 1, 16, 1, "", 1);
   var osc = host.getOscModule();
   line = osc.connectToUdpServer("127.0.0.1", Math.round(port.getRaw() || 7707), osc.createAddressSpace());

   host.getMidiInPort(0).createNoteInput("rnnmuse out", "??????");

   var transport = host.createTransport();
   transport.isPlaying().addValueObserver(function (playing) {
      send(playing ? "/rnnmuse/transport/play" : "/rnnmuse/transport/stop", 1);
   });
   transport.tempo().addRawValueObserver(function (bpm) {
      send("/rnnmuse/transport/tempo", bpm);
   });

   var page = host.createUserControls(KNOBS.length);
   KNOBS.forEach(function (name, index) {
      var knob = page.getControl(index);
      knob.setLabel("rnnmuse " + name);
      knob.addValueObserver(128, function (value) {
         send("/rnnmuse/player/" + Math.round(player.getRaw() || 1) + "/norm/" + name, value / 127);
      });
   });
}

function flush() {}

function exit() {
   send("/rnnmuse/transport/panic", 1);
}
