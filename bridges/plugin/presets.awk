# LV2's presets as DPF writes them, without the ports that a preset leaves as they are.
# A block is kept back until its symbol is known.
/^ *(lv2:port )?\[$/ { block = $0; next }
block != "" && /lv2:symbol/ {
  drop = ($0 ~ /"(player|key|scale|chord|seed|swing|lead|thru|lv2_enabled|bypass)"/)
  block = block "\n" $0; next
}
block != "" {
  block = block "\n" $0
  if ($0 ~ /\] [,.]$/) {
    last = ($0 ~ /\.$/)
    sub(/^ *(lv2:port )?\[/, "    [", block); sub(/ *\] [,.]$/, "    ]", block)
    if (!drop) { kept = kept (kept == "" ? "    lv2:port\n" : " ,\n") block }
    block = ""
    if (last) { print kept " .\n"; kept = "" }
  }
  next
}
{ print }
