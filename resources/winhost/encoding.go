package main

import (
	"bytes"
	"unicode/utf8"
)

// cutCharacter tells how many bytes at the end belong to a UTF-8 character that is not whole.
func cutCharacter(data []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(data); back++ {
		first := data[len(data)-back]
		if utf8.RuneStart(first) {
			if first >= utf8.RuneSelf && !utf8.FullRune(data[len(data)-back:]) {
				return back
			}
			return 0
		}
	}
	return 0
}

// asUTF8Lines turns lines that are not UTF-8 from the ANSI code page, and "\r\n" into "\n". Text
// cut off before its line's end gets one, so that lines of two writers don't run together.
func asUTF8Lines(data []byte) []byte {
	out := make([]byte, 0, len(data)+1)
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if !utf8.Valid(line) {
			line = fromANSI(line)
		}
		out = append(append(out, line...), '\n')
	}
	return out
}
