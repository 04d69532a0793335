package site

import "syscall"

const littleSpace = 1 << 20 // bytes below which a disk counts as full

// diskFull says whether the disk of the site's scratch has no space left.
func (l *Local) diskFull() bool {
	var st syscall.Statfs_t
	return syscall.Statfs(l.cfg.Dir, &st) == nil && int64(st.Bavail)*st.Bsize < littleSpace
}
