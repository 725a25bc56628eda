package main

import (
	"io/fs"
	"path/filepath"
)

func runTree(call *session) error {
	action, path := call.take(), call.take()
	switch {
	case action == "list" && len(call.args) == 0:
		return listTree(call, path)
	case action == "acl" && len(call.args) == 2 && (call.args[1] == "read" || call.args[1] == "modify"):
		rights := uint32(readRights)
		if call.args[1] == "modify" {
			rights = modifyRights
		}
		if err := grant(path, call.args[0], rights); err != nil {
			return failing("give "+call.args[0]+" access to "+path, err)
		}
		return nil
	}
	return errUsage
}

// listTree prints a line for each entry below a folder; what was removed meanwhile is left out.
func listTree(call *session, root string) error {
	if !isFolder(root) {
		return problem(exitMissing, "list "+root, "no such folder: %s", root)
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if path == root || gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		return printJSON(call.stdout, map[string]any{
			"path": path, "size": info.Size(), "dir": entry.IsDir(), "modified": info.ModTime().Unix(),
		})
	})
	if err != nil {
		return failing("list "+root, err)
	}
	return nil
}
