// Command public is one of the two programs of this workspace.
package main

import "example.com/workspace/shared"

func main() {
	shared.Serve("public", "8080")
}
