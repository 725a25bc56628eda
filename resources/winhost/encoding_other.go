//go:build !windows

package main

import "bytes"

// fromANSI shows what is not UTF-8 as such: other systems have no ANSI code page.
func fromANSI(text []byte) []byte { return bytes.ToValidUTF8(text, []byte("\uFFFD")) }
