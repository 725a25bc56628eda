package main

import "testing"

func TestDouble(t *testing.T) {
	t.Run("zero", func(t *testing.T) {
		if got := double(0); got != 0 {
			t.Errorf("double(0) = %d, want 0", got)
		}
	})
}

func TestVersion(t *testing.T) {
	if version == "" {
		t.Error("the version is empty")
	}
}
