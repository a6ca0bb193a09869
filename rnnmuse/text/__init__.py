"""Words: alphabets, verse forms, lyrics on notes, subtitles, scenes, cues."""
