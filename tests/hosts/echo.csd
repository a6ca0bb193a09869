<CsoundSynthesizer>
<CsOptions>
-d -m0 -b64 -B512
</CsOptions>
<CsInstruments>
sr = 48000
ksmps = 32
nchnls = 1
0dbfs = 1
#define RNNMUSE #PORT#
#define RNNMUSE_OURS #OURS#
#include "rnnmuse.inc"

instr RNNMuseNote
  SPath sprintf "/rnnmuse/player/%d/note", p4
  kEnds release
  kVelocity = kEnds > 0 ? 0 : p6
  OSCsend 1 + kEnds, "127.0.0.1", $RNNMUSE, SPath, "ii", p5, kVelocity
  aTone poscil 0.4 * linsegr:k(1, 60, 1, 0.02, 0), cpsmidinn(p5)
  out aTone
endin

instr Tell
  printf "open: %d\n", 1 + gkRNNMuseOpen + metro(20), gkRNNMuseOpen
endin
</CsInstruments>
<CsScore>
i "RNNMuse" 0 3600
i "Tell" 0 3600
e
</CsScore>
</CsoundSynthesizer>
