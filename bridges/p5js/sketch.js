// rnnmuse in p5.js: the words of every voice and the notes of every player, as `rnnmuse screen` passes them on.
// A message is a JSON array, an OSC address and its arguments; whatever docs/osc.md lists can be sent the same way.
//   space   player 1 starts, or stops      w   voice 1 speaks      escape   panic
const sounding = new Map(); // "player pitch": velocity, 1 to 127
const lines = new Map(); // voice: its last line
let socket, live = false, playing = false;

function setup() {
  createCanvas(windowWidth, windowHeight);
  colorMode(HSB, 360, 100, 100, 1);
  textAlign(CENTER, CENTER);
  textFont("Georgia");
  connect();
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.onmessage = ({ data }) => { if (typeof data === "string") take(JSON.parse(data)); }; // else: a picture, a JPEG
  socket.onclose = () => {
    gone();
    setTimeout(connect, 1000);
  };
}

function send(address, ...values) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify([address, ...values]));
}

function take([address, ...values]) {
  const [, , kind, player, voice] = address.split("/");
  if (address === "live") {
    if (!values[0]) gone();
    live = values[0] === 1;
  } else if (address === "/rnnmuse/probe") {
    send("/rnnmuse/probed", values[0], "p5js");
  } else if (kind === "out" && player === "text") {
    const said = values[2], before = lines.get(voice) ?? "";
    lines.set(voice, before.endsWith("\n") ? said : before + said);
  } else if (kind === "out") {
    const [pitch, velocity] = values;
    if (velocity) sounding.set(`${player} ${pitch}`, velocity);
    else sounding.delete(`${player} ${pitch}`);
  }
}

function gone() { // no note is left on
  live = false;
  sounding.clear();
}

function draw() {
  background(225, 30, 6);
  noStroke();
  for (const [key, velocity] of sounding) {
    const [player, pitch] = key.split(" ").map(Number);
    fill((80 + player * 137.5) % 360, 55, 95, velocity / 160);
    circle(map(pitch, 24, 100, 0, width), height * 0.8, 20 + velocity);
  }
  fill(0, 0, 96);
  textSize(min(width, height) / 12);
  if (!live) text("waiting for rnnmuse live", width / 2, height * 0.4);
  else text([...lines.values()].join("\n").trim(), width * 0.05, height * 0.05, width * 0.9, height * 0.6);
}

function keyPressed() {
  if (key === " ") {
    playing = !playing;
    send(playing ? "/rnnmuse/player/1/start" : "/rnnmuse/player/1/stop");
  }
  if (key === "w") send("/rnnmuse/text/1/generate", 0);
  if (key === "Escape") {
    playing = false;
    send("/rnnmuse/transport/panic");
  }
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight);
}
