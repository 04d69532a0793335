// Package drivertest is the suite that every driver passes.
package drivertest

import (
	"testing"

	"fringe"
)

// Run tests the drivers that open gives against the promises of fringe.Driver.
func Run(t *testing.T, open func(t *testing.T) fringe.Driver) {}
