package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fringe"
	"fringe/archive"
)

func pack(t testing.TB, zip bool, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range headers {
		body := strings.Repeat("x", int(h.Size))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if !zip {
		return buf.Bytes()
	}
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	if _, err := zw.Write(buf.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

func TestUntar(t *testing.T) {
	for _, zip := range []bool{false, true} {
		dir := t.TempDir()
		doc := pack(t, zip,
			tar.Header{Name: "fn/", Typeflag: tar.TypeDir, Mode: 0o4777},
			tar.Header{Name: "fn/run", Size: 3, Mode: 0o4755},
			tar.Header{Name: "./fn/deep/er/data", Size: 5, Mode: 0o600},
			tar.Header{Name: "fn/link", Typeflag: tar.TypeSymlink, Linkname: "deep/er/data"},
			tar.Header{Name: "fn/same", Typeflag: tar.TypeLink, Linkname: "fn/run"})
		if err := archive.Untar(t.Context(), bytes.NewReader(doc), dir, archive.Limits{}); err != nil {
			t.Fatalf("Untar(gzipped %v) = %v", zip, err)
		}
		for name, want := range map[string]string{"fn/run": "xxx", "fn/link": "xxxxx", "fn/same": "xxx"} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || string(got) != want {
				t.Errorf("%s = %q, %v, want %q", name, got, err, want)
			}
		}
		info, err := os.Stat(filepath.Join(dir, "fn/run"))
		if err != nil || info.Mode() != 0o755 {
			t.Errorf("mode of fn/run = %v, %v, want 0755 without set-user-id", info.Mode(), err)
		}
	}
}

func TestUntarRefuses(t *testing.T) {
	cases := []struct {
		name    string
		headers []tar.Header
		kind    fringe.Kind
		says    string
	}{
		{"parent", []tar.Header{{Name: "../evil", Size: 1}}, fringe.Invalid, "leads out"},
		{"parent inside", []tar.Header{{Name: "a/../../evil", Size: 1}}, fringe.Invalid, "leads out"},
		{"absolute", []tar.Header{{Name: "/etc/evil", Size: 1}}, fringe.Invalid, "absolute"},
		{"link out", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../etc"}}, fringe.Invalid, "leads out"},
		{"link absolute", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, fringe.Invalid, "absolute"},
		{"link over link", []tar.Header{
			{Name: "a/b/up", Typeflag: tar.TypeSymlink, Linkname: ".."},
			{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "a/b/up/../../.."},
		}, fringe.Invalid, "leads out"},
		{"circle", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "m"}, {Name: "m", Typeflag: tar.TypeSymlink, Linkname: "l"}}, fringe.Invalid, "circle"},
		{"write over link", []tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d"}, {Name: "l", Size: 1}}, fringe.Invalid, "twice"},
		{"hard link out", []tar.Header{{Name: "l", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"}}, fringe.Invalid, "leads out"},
		{"hard link to nothing", []tar.Header{{Name: "l", Typeflag: tar.TypeLink, Linkname: "nothing"}}, fringe.Invalid, "links to a file"},
		{"device", []tar.Header{{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}, fringe.Invalid, "neither"},
		{"fifo", []tar.Header{{Name: "fifo", Typeflag: tar.TypeFifo}}, fringe.Invalid, "neither"},
		{"twice", []tar.Header{{Name: "a", Size: 1}, {Name: "./a", Size: 1}}, fringe.Invalid, "twice"},
		{"below a file", []tar.Header{{Name: "a", Size: 1}, {Name: "a/b", Size: 1}}, fringe.Invalid, "below a file"},
		{"newline", []tar.Header{{Name: "a\nb", Size: 1}}, fringe.Invalid, "newline"},
		{"deep", []tar.Header{{Name: strings.Repeat("d/", 100) + "f", Size: 1}}, fringe.Invalid, "deep"},
		{"large", []tar.Header{{Name: "a", Size: 600}, {Name: "b", Size: 600}}, fringe.TooLarge, "1000 bytes"},
		{"many", []tar.Header{{Name: "a", Size: 1}, {Name: "b", Size: 1}, {Name: "c", Size: 1}, {Name: "d", Size: 1}}, fringe.TooLarge, "3 entries"},
		{"empty", nil, fringe.Invalid, "empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			outer := t.TempDir()
			dir := filepath.Join(outer, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := archive.Untar(t.Context(), bytes.NewReader(pack(t, true, c.headers...)), dir, archive.Limits{Bytes: 1000, Entries: 3})
			if fringe.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Untar() = %v (%s), want %s that says %q", err, fringe.KindOf(err), c.kind, c.says)
			}
			if entries, _ := os.ReadDir(outer); len(entries) != 1 {
				t.Errorf("something was written outside: %v", entries)
			}
		})
	}
}

func TestUntarDamaged(t *testing.T) {
	whole := pack(t, true, tar.Header{Name: "a", Size: 5000})
	for _, doc := range [][]byte{nil, []byte("hello"), whole[:len(whole)/2], {0x1f, 0x8b, 0}, []byte(strings.Repeat("z", 2000))} {
		if err := archive.Untar(t.Context(), bytes.NewReader(doc), t.TempDir(), archive.Limits{}); fringe.KindOf(err) != fringe.Invalid || err == nil {
			t.Errorf("Untar(%.10q…) = %v, want Invalid", doc, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := archive.Untar(ctx, bytes.NewReader(whole), t.TempDir(), archive.Limits{}); err != context.Canceled {
		t.Errorf("Untar(cancelled) = %v, want %v", err, context.Canceled)
	}
}

func FuzzUntar(f *testing.F) {
	f.Add(pack(f, false, tar.Header{Name: "a/b", Size: 3}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "a/b"}))
	f.Add(pack(f, true, tar.Header{Name: "../x", Size: 3}))
	f.Fuzz(func(t *testing.T, doc []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = archive.Untar(t.Context(), bytes.NewReader(doc), dir, archive.Limits{Bytes: 1 << 16, Entries: 100})
		if entries, _ := os.ReadDir(outer); len(entries) != 1 {
			t.Fatalf("something was written outside: %v", entries)
		}
	})
}
