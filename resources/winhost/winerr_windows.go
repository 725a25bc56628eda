package main

import (
	"errors"
	"strings"

	"golang.org/x/sys/windows"
)

// Go's own error numbers, which it takes where Windows has none, begin here.
const invented = windows.Errno(1 << 29)

// systemCode is the Win32 number in an error, 0 if there is none.
func systemCode(err error) uint32 {
	var number windows.Errno
	if errors.As(err, &number) && number < invented {
		return uint32(number)
	}
	return 0
}

// systemText is what Windows says of the error and, if it says what it is about, that.
func systemText(err error) string {
	return strings.TrimSpace(err.Error())
}

// numbered is Windows' own error for a number.
func numbered(code uint32) error { return windows.Errno(code) }

// oneOf tells whether an error is one of these Win32 numbers.
func oneOf(err error, numbers ...windows.Errno) bool {
	for _, number := range numbers {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

// cannotSay: this Windows (or what plays it) does not know the information asked for.
func cannotSay(err error) bool {
	return oneOf(err, windows.ERROR_INVALID_LEVEL, windows.ERROR_CALL_NOT_IMPLEMENTED)
}

// inTheWay: somebody (a virus scanner, a reader) has the file open; it may be free in a moment.
func inTheWay(err error) bool {
	return oneOf(err, windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION,
		windows.ERROR_ACCESS_DENIED, windows.ERROR_DIR_NOT_EMPTY)
}
