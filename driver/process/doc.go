// Package process starts instances as processes of this Linux machine, each
// in namespaces of its own.
package process
