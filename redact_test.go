package fringe_test

import (
	"testing"

	"fringe"
)

func TestRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"https://ada:secret@example.org/x.git":                        "https://xxxxx@example.org/x.git",
		"https://ghp_token@example.org/x.git#dir":                     "https://xxxxx@example.org/x.git#dir",
		"HTTP://ada:se@cret@example.org":                              "HTTP://xxxxx@example.org",
		"ssh://git:secret@example.org/x":                              "ssh://git:xxxxx@example.org/x",
		"ssh://git@example.org/x":                                     "ssh://git@example.org/x",
		"git@example.org:x/y.git":                                     "git@example.org:x/y.git",
		"https://ada:se/cret@example.org":                             "https://ada:xxxxx@example.org",
		"ftp://ada:s%zz@example.org":                                  "ftp://ada:xxxxx@example.org",
		"https://example.org/a@b/c":                                   "https://example.org/a@b/c",
		"https://example.org:8088/a@b/c":                              "https://example.org:8088/a@b/c",
		"fatal: 'https://a:b@c/d' and https://e:f@g/h: not found":     "fatal: 'https://xxxxx@c/d' and https://xxxxx@g/h: not found",
		"file:///data/m87.ms":                                         "file:///data/m87.ms",
		"http://user:word@127.0.0.1:1/x redirects to https://t@h/y@z": "http://xxxxx@127.0.0.1:1/x redirects to https://xxxxx@h/y@z",
		"": "",
	} {
		if got := fringe.Redacted(text); got != want {
			t.Errorf("Redacted(%q) = %q, want %q", text, got, want)
		}
	}
}
