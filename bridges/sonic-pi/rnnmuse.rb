# rnnmuse in Sonic Pi: paste it into a buffer and run it, with rnnmuse live open.
# What player 1 plays sounds; your own lines can play to it: osc "/rnnmuse/player/1/note", 60, 90, 1.0
use_osc "127.0.0.1", 7707

live_loop :rnnmuse_lease do
  osc "/rnnmuse/subscribe", 10.0, 0.0, 4560
  sleep 2
end

live_loop :rnnmuse_notes do
  use_real_time
  pitch, velocity, beats = sync "/osc*/rnnmuse/out/1/note"
  if velocity > 0
    synth :piano, note: pitch, amp: velocity / 127.0, release: [beats, 0.25].max
  end
end

live_loop :rnnmuse_probe do
  use_real_time
  number, = sync "/osc*/rnnmuse/probe"
  osc "/rnnmuse/probed", number, "sonic-pi"
end

osc "/rnnmuse/player/1/start", 1
