//go:build broken

package main

import "errors"

// ready is what a version with a mistake says: it starts, but it can't do its work.
func ready() error {
	return errors.New("the lighthouse is dark: table beacons is missing")
}
