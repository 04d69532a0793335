package fringe_test

import (
	"errors"
	"testing"

	"fringe"
)

func TestPart(t *testing.T) {
	for _, c := range []struct {
		name string
		err  fringe.Error
		want fringe.Component
	}{
		{"a wrong request fails in no part", fringe.Error{Kind: fringe.Invalid, Component: fringe.Catalogue}, ""},
		{"a name that is not there", fringe.Error{Kind: fringe.NotFound, Component: fringe.Data}, ""},
		{"a name that is not there when a job runs", fringe.Error{Kind: fringe.NotFound, Component: fringe.Catalogue, Call: "01M"}, fringe.Catalogue},
		{"a quota", fringe.Error{Kind: fringe.OverQuota, Component: fringe.Data}, ""},
		{"a program that is not there when a call starts", fringe.Error{Kind: fringe.NotFound, Component: fringe.Start}, fringe.Start},
		{"a fault", fringe.Error{Kind: fringe.Internal, Component: fringe.Store}, fringe.Store},
		{"a function", fringe.Error{Kind: fringe.Failed, Component: fringe.UserCode}, fringe.UserCode},
	} {
		if got := c.err.Part(); got != c.want {
			t.Errorf("%s: Part() = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEKeepsTheCall(t *testing.T) {
	err := fringe.E("site.Call", errors.Join(&fringe.Error{Kind: fringe.Failed, Call: "01M"}))
	if err.Call != "01M" || err.Kind != fringe.Failed {
		t.Errorf("E() = %#v, want the call 01M", err)
	}
}
