<CsoundSynthesizer>
; Player 1 of rnnmuse live plays by itself on a plucked string:   csound play.csd
<CsOptions>
-odac -d -m0
</CsOptions>
<CsInstruments>
sr = 48000
ksmps = 64
nchnls = 2
0dbfs = 1
#include "rnnmuse.inc"

instr RNNMuseNote
  aString pluck p6 / 400, cpsmidinn(p5), cpsmidinn(p5), 0, 1
  aString *= linsegr(1, 60, 1, 0.1, 0)
  outs aString, aString
endin
</CsInstruments>
<CsScore>
i "RNNMuse" 0 3600
i "RNNMuseStart" 0.5 0.1 1
e
</CsScore>
</CsoundSynthesizer>
