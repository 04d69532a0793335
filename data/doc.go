// Package data knows the datasets of a site: where each is, what it is, and
// how a call sees it.
//
// Invariants:
//
//   - A dataset that a method has returned is on the disk, with its bytes when
//     the site owns them.
//   - The bytes of a dataset never change through Fringe. Calls see them by a
//     View, which keeps every change to itself; a changed copy is a new
//     product.
//   - Owned bytes appear at their place by one rename, whole or not at all.
//     What a crash leaves without a record is removed by Sweep.
//   - An owner's data takes no more than his quota, and a namespace's together no
//     more than its; what is by reference takes
//     nothing. Collect removes only what no person added.
//   - Nothing that a stranger sends (names, links, archives, redirects) leads
//     to a file or an address that he may not use.
//
// Stored tables: datasets(did, scope, directory, path, owned, size, checksum,
// media_type, basename, call, owner, created) and data_urls(url, etag,
// modified, did), the fetched copies, and data_owners(owner, used, quota) and
// data_namespaces(namespace, used, quota), kept
// by triggers. Times are microseconds since 1970 UTC;
// the path of an owned dataset is relative to Config.Dir, so that the site's
// directory can be moved.
//
// Stored files, below Config.Dir: products/CALL/OUTPUT/BASENAME of calls,
// owned/ID/BASENAME of uploads and downloads, spool/CALL/NAME of files that
// came with a call, new/ID of what is on its way.
//
// Rooms attempt (views), site (inputs, outputs) and gateway use it, and the
// command cwl-runner its CopyTree.
package data
