package main

import (
	"bytes"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

// fromANSI takes text of the system's ANSI code page, like 936 on a Chinese Windows.
func fromANSI(text []byte) []byte {
	if len(text) == 0 {
		return text
	}
	wide := make([]uint16, 2*len(text))
	count, err := windows.MultiByteToWideChar(windows.GetACP(), 0, &text[0], int32(len(text)), &wide[0], int32(len(wide)))
	if err != nil {
		return bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	return []byte(string(utf16.Decode(wide[:count])))
}
