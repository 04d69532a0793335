package fringe_test

import (
	"strings"
	"testing"

	"fringe"
)

func TestParseDID(t *testing.T) {
	for s, want := range map[string]fringe.DID{
		"user:m87.uvfits":                  {Scope: "user", Name: "m87.uvfits"},
		"product:01K/image":                {Scope: "product", Name: "01K/image"},
		"sdp:pb-1/eb@2=v+3:no":             {},
		"m87.uvfits":                       {},
		":name":                            {},
		"scope:":                           {},
		"file:/etc/passwd":                 {},
		"HTTPS:example":                    {},
		".:name":                           {},
		"..:name":                          {},
		"user:../secret":                   {},
		"user:a//b":                        {},
		"user:a/./b":                       {},
		"us er:name":                       {},
		"user:" + strings.Repeat("x", 256): {},
	} {
		got, err := fringe.ParseDID(s)
		switch {
		case want == fringe.DID{} && fringe.KindOf(err) != fringe.Invalid:
			t.Errorf("ParseDID(%q) = %v, %v, want it refused as invalid", s, got, err)
		case want != fringe.DID{} && (err != nil || got != want || got.String() != s):
			t.Errorf("ParseDID(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
}
