package main

import "testing"

func TestVersionIsSet(t *testing.T) {
	if version == "" {
		t.Error("the version is empty")
	}
}
