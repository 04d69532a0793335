// Package crash is the crash harness: its test starts a real site, submits jobs
// over HTTP, kills the server and the tasks by SIGKILL at random moments, fills
// and slows the disk, and then holds what the site says of every job against an
// outside record of what ran.
//
// The record is kept by the tasks themselves, at an HTTP server of the harness:
// each tells when it begins and when it is about to end. Nothing in it comes
// from Fringe. docs/crash.md says what is checked and what came out.
//
//	go test ./bench/crash                          90 seconds
//	make crash                                     15 minutes
package crash
