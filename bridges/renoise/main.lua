-- rnnmuse for Renoise: the song starts, stops and paces rnnmuse live. Its notes come by MIDI, from "rnnmuse out"
-- (Preferences > MIDI).

local PORT = 7707
local client, problem = renoise.Socket.create_client("127.0.0.1", PORT, renoise.Socket.PROTOCOL_UDP)

local function send(address, kind, value)
  if not client then
    renoise.app():show_status("rnnmuse: " .. tostring(problem))
    return
  end
  client:send(renoise.Osc.Message(address, kind and { { tag = kind, value = value } } or {}))
end

local function follow()
  local transport = renoise.song().transport
  transport.playing_observable:add_notifier(function()
    send(transport.playing and "/rnnmuse/transport/play" or "/rnnmuse/transport/stop")
  end)
  transport.bpm_observable:add_notifier(function()
    send("/rnnmuse/transport/tempo", "f", transport.bpm)
  end)
  send("/rnnmuse/transport/tempo", "f", transport.bpm)
end

renoise.tool().app_new_document_observable:add_notifier(follow)

for player = 1, 4 do
  renoise.tool():add_menu_entry {
    name = "Main Menu:Tools:rnnmuse:Start player " .. player,
    invoke = function() send("/rnnmuse/player/" .. player .. "/start") end,
  }
  renoise.tool():add_menu_entry {
    name = "Main Menu:Tools:rnnmuse:Stop player " .. player,
    invoke = function() send("/rnnmuse/player/" .. player .. "/stop") end,
  }
end

renoise.tool():add_menu_entry {
  name = "Main Menu:Tools:rnnmuse:End every note",
  invoke = function() send("/rnnmuse/transport/panic") end,
}
