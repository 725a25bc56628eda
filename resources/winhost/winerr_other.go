//go:build !windows

package main

// Other systems only run the tests of the portable parts: their numbers mean something else.

func systemCode(error) uint32 { return 0 }

func systemText(err error) string { return err.Error() }

func inTheWay(error) bool { return false }
