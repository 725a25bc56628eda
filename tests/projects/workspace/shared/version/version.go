// Package version says which version the programs of this workspace are.
package version

// Version is set when a program is built.
var Version = "dev"
