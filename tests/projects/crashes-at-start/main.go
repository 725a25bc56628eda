// Command crashes-at-start ends at once with an error.
package main

import (
	"log"
)

var version = "dev"

func main() {
	log.Printf("version %s starts", version)
	log.Fatal("cannot reach the database")
}
