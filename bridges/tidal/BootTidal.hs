-- TidalCycles with rnnmuse: what its own boot file has, and a target that plays to rnnmuse live.
--
--   d1 $ pitch "60 64 67 72" # player 1          the player hears these notes; # vel and # beats if wanted
--   d2 $ temperature "0.8 1.2" # player 1        a parameter, as a pattern
--   once $ start 1 # player 2                    it plays by itself; once $ stop 1 # player 2
--   d3 $ note "0 3 7" # s "superpiano" # hear 1  SuperDirt plays it, and the player of its orbit hears it
--
-- What rnnmuse plays goes to SuperDirt by the rig tidal.toml.
:set -XOverloadedStrings
:set prompt ""
import Sound.Tidal.Context
import System.IO (hSetEncoding, stdout, utf8)
hSetEncoding stdout utf8

:{
let player = pI "player"
    pitch = pI "pitch"
    vel = pI "vel"
    beats = pF "beats"
    hear = pI "hear"
    mode = pS "mode"
    model = pS "model"
    start = pI "start"
    stop = pI "stop"
    temperature = pF "temperature"
    top_p = pF "top_p"
    density = pF "density"
    lowest = pI "lowest"
    highest = pI "highest"
    key = pS "key"
    playerChord = pS "playerChord"
    playerVelocity = pF "playerVelocity"
    humanise = pF "humanise"
    bpm = pF "bpm"
    at words name = OSC ("/rnnmuse/player/{player}/" ++ words) (ArgList [(name, Nothing)])
    rnnmuseTarget = Target {oName = "rnnmuse", oAddress = "127.0.0.1", oPort = 7707, oBusPort = Nothing, oLatency = 0.1, oWindow = Nothing, oSchedule = Pre BundleStamp, oHandshake = False}
    rnnmuseShapes =
      [ OSC "/rnnmuse/player/{player}/note" (ArgList [("pitch", Nothing), ("vel", Just (VI 90)), ("beats", Just (VF 0.5))])
      , at "mode" "mode"
      , at "model" "model"
      , at "start" "start"
      , at "stop" "stop"
      , at "param/temperature" "temperature"
      , at "param/top_p" "top_p"
      , at "param/density" "density"
      , at "param/low" "lowest"
      , at "param/high" "highest"
      , at "param/key" "key"
      , at "param/chord" "playerChord"
      , at "param/velocity" "playerVelocity"
      , at "param/humanise" "humanise"
      , OSC "/rnnmuse/transport/tempo" (ArgList [("bpm", Nothing)])
      , OSC "/dirt/play" (Named {requiredArgs = ["s", "hear"]})
      ]
:}

tidal <- startStream (defaultConfig {cVerbose = True, cFrameTimespan = 1/20}) [(superdirtTarget {oLatency = 0.1}, [superdirtShape]), (rnnmuseTarget, rnnmuseShapes)]

:{
let only = (hush >>)
    p = streamReplace tidal
    hush = streamHush tidal
    panic = do hush
               once $ sound "superpanic"
    list = streamList tidal
    mute = streamMute tidal
    unmute = streamUnmute tidal
    unmuteAll = streamUnmuteAll tidal
    solo = streamSolo tidal
    unsolo = streamUnsolo tidal
    once = streamOnce tidal
    first = streamFirst tidal
    asap = once
    nudgeAll = streamNudgeAll tidal
    all = streamAll tidal
    resetCycles = streamResetCycles tidal
    setcps = asap . cps
    getcps = streamGetcps tidal
    getnow = streamGetnow tidal
    d1 = p 1
    d2 = p 2
    d3 = p 3
    d4 = p 4
    d5 = p 5
    d6 = p 6
    d7 = p 7
    d8 = p 8
    d9 = p 9
    d10 = p 10
    d11 = p 11
    d12 = p 12
    d13 = p 13
    d14 = p 14
    d15 = p 15
    d16 = p 16
:}

:set prompt "tidal> "
:set prompt-cont ""
