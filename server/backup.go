package server

import (
	"context"
	"path/filepath"

	"fringe"
	"fringe/store"
)

// Backup writes the store of the site in dir to a file, whether or not a server
// serves the site.
func Backup(ctx context.Context, dir, to string) error {
	if err := store.Backup(ctx, filepath.Join(dir, "fringe.db"), to); err != nil {
		return fringe.E("server.Backup", err)
	}
	return nil
}
