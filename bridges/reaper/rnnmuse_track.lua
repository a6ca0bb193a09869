-- rnnmuse: adds a track that is armed for, and hears, the MIDI input "rnnmuse out".
-- Actions > Show action list > New action > Load ReaScript, then run it with rnnmuse live open.

local name = "rnnmuse out"

local function input()
  for number = 0, reaper.GetNumMIDIInputs() - 1 do
    local present, found = reaper.GetMIDIInputName(number, "")
    if present and found:lower():find(name, 1, true) then return number end
  end
end

local device = input()
if not device then
  reaper.ShowMessageBox("No MIDI input \"" .. name .. "\": start rnnmuse live, then enable it in Preferences > MIDI "
    .. "inputs.", "rnnmuse", 0)
  return
end

reaper.Undo_BeginBlock()
local at = reaper.CountTracks(0)
reaper.InsertTrackAtIndex(at, true)
local track = reaper.GetTrack(0, at)
reaper.GetSetMediaTrackInfo_String(track, "P_NAME", "rnnmuse", true)
reaper.SetMediaTrackInfo_Value(track, "I_RECINPUT", 4096 + 32 * device) -- MIDI, every channel of the device
reaper.SetMediaTrackInfo_Value(track, "I_RECMON", 1)
reaper.SetMediaTrackInfo_Value(track, "I_RECARM", 1)
reaper.Undo_EndBlock("Add a track for rnnmuse", -1)
