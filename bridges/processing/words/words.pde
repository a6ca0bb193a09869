// Words on a canvas, as rnnmuse says them. Needs the library oscP5. Start "rnnmuse live" first.
// Not yet tried in the host.
import oscP5.*;
import netP5.*;

OscP5 osc;
NetAddress rnnmuse = new NetAddress("127.0.0.1", 7707);
String line = "";

void setup() {
  size(1200, 300);
  textFont(createFont("Georgia", 48));
  textAlign(CENTER, CENTER);
  osc = new OscP5(this, 9107);  // answers and words come to the port that asked
  osc.send(new OscMessage("/rnnmuse/subscribe").add(600.0), rnnmuse);
  osc.send(new OscMessage("/rnnmuse/text/1/generate").add(0), rnnmuse);
}

void draw() {
  background(16);
  fill(240);
  text(line, 20, 20, width - 40, height - 40);
}

void oscEvent(OscMessage message) {
  if (!message.checkAddrPattern("/rnnmuse/out/text/1")) return;
  String said = message.get(2).stringValue();  // job, index, text, last
  line = line.endsWith("\n") ? said : line + said;
}
