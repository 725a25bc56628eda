// Command exits-zero ends at once without an error.
package main

import (
	"log"
)

var version = "dev"

func main() {
	log.Printf("version %s has nothing to do", version)
}
