// rnnmuse in Processing, with the library oscP5: the notes of every player as they come, and keys to play to it.
//   a s d f g h j k   notes that player 1 hears      space   start      backspace   stop
import oscP5.*;
import netP5.*;

OscP5 osc;
NetAddress rnnmuse;
float[][] sounding = new float[17][128];
int asked = -10000;
String keys = "asdfghjk";
int[] scale = {60, 62, 64, 65, 67, 69, 71, 72};

void setup() {
  size(900, 400);
  colorMode(HSB, 17, 1, 1);
  osc = new OscP5(this, 7711);
  rnnmuse = new NetAddress("127.0.0.1", 7707);
}

void draw() {
  if (millis() - asked > 5000) {  // renews the lease, and finds a rnnmuse that was started again
    asked = millis();
    OscMessage subscribe = new OscMessage("/rnnmuse/subscribe");
    subscribe.add(10.0f).add(0.0f).add(7711);
    osc.send(subscribe, rnnmuse);
  }
  background(0);
  noStroke();
  for (int player = 1; player < 17; player++) {
    for (int pitch = 0; pitch < 128; pitch++) {
      if (sounding[player][pitch] > 0) {
        fill(player, 0.6, 0.4 + 0.6 * sounding[player][pitch]);
        rect(map(pitch, 21, 108, 0, width), height - 24 * player, 10, 20);
      }
    }
  }
}

void oscEvent(OscMessage message) {
  for (int player = 1; player < 17; player++) {
    if (message.checkAddrPattern("/rnnmuse/out/" + player + "/note")) {
      sounding[player][message.get(0).intValue()] = message.get(1).intValue() / 127.0;
    }
  }
  if (message.checkAddrPattern("/rnnmuse/probe")) {
    OscMessage answer = new OscMessage("/rnnmuse/probed");
    answer.add(message.get(0).intValue()).add("processing");
    osc.send(answer, rnnmuse);
  }
}

void note(int pitch, int velocity) {
  OscMessage message = new OscMessage("/rnnmuse/player/1/note");
  message.add(pitch).add(velocity);
  osc.send(message, rnnmuse);
}

void keyPressed() {
  int at = keys.indexOf(key);
  if (at >= 0) note(scale[at], 90);
  if (key == ' ') osc.send(new OscMessage("/rnnmuse/player/1/start"), rnnmuse);
  if (key == BACKSPACE) osc.send(new OscMessage("/rnnmuse/player/1/stop"), rnnmuse);
}

void keyReleased() {
  int at = keys.indexOf(key);
  if (at >= 0) note(scale[at], 0);
}
