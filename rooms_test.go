package fringe_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mayImport is the table of the rooms: which others each may import.
var mayImport = map[string][]string{
	"":                      {},
	"store":                 {""},
	"archive":               {""},
	"cwl":                   {""},
	"python":                {},
	"auth":                  {"", "store"},
	"jobs":                  {"", "store"},
	"data":                  {"", "archive", "store"},
	"catalogue":             {"", "archive", "store", "cwl"},
	"build":                 {""},
	"contract/contracttest": {""},
	"contract":              {""},
	"pool":                  {""},
	"notify":                {""},
	"client":                {""},
	"driver/process":        {""},
	"driver/fork":           {"", "driver/process"},
	"driver/drivertest":     {""},
	"attempt":               {"", "cwl", "data"},
	"site":                  {"", "attempt", "build", "catalogue", "contract", "cwl", "data", "jobs", "notify", "pool"},
	"gateway":               {"", "auth", "build", "catalogue", "client", "cwl", "data", "gateway/rocrate", "jobs", "site"},
	"gateway/rocrate":       {"", "client"},
	"gateway/soda":          {"", "catalogue", "site"},
	"gateway/uws":           {"", "auth", "catalogue", "cwl", "data", "jobs", "site"},
	"server":                {"", "auth", "build", "catalogue", "client", "data", "driver/fork", "driver/process", "gateway", "gateway/soda", "gateway/uws", "jobs", "notify", "pool", "python", "server/front", "site", "store"},
	"server/front":          {},
	"server/servertest":     {"", "client", "driver/process", "server"},
	"cmd/fringe":            {"", "attempt", "client", "cwl", "data", "driver/process", "server"},
	"bench/crash":           {},
	"bench/local":           {"client"},
	"bench/jobs":            {"", "bench/local", "client", "jobs", "store"},
	"bench/site":            {"bench/local", "client"},
	"bench/soda":            {"bench/local", "client"},
	"bench/starts":          {"", "build", "contract", "driver/fork", "driver/process"},
	"bench/warm":            {"", "bench/local", "contract", "contract/contracttest", "pool"},
}

// livesOnlyIn says where third-party modules may be imported.
var livesOnlyIn = map[string][]string{
	"modernc.org/sqlite":                  {"store"},
	"github.com/dop251/goja":              {"cwl"},
	"github.com/dlclark/regexp2/v2":       {"cwl"},
	"github.com/goccy/go-yaml":            {"cwl", "build", "cmd/fringe"},
	"github.com/spf13/cobra":              {"cmd/fringe"},
	"github.com/schollz/progressbar/v3":   {"cmd/fringe"},
	"golang.org/x/term":                   {"cmd/fringe"},
	"github.com/prometheus/client_golang": {"server"},
	"github.com/oklog/ulid/v2":            {"site"},
	"golang.org/x/sync":                   {"server"},
	"golang.org/x/net":                    {"contract"},
	"golang.org/x/sys":                    {"driver/process", "data", "contract", "cwl", "attempt"},
}

// longFunctions are those over 80 lines, with their reason.
var longFunctions = map[string]string{}

// manyParameters are those with more than maxParameters, with their reason.
var manyParameters = map[string]string{
	"cwl.describeSchema": "five of the six are the parts of one description",
}

const (
	maxLines      = 80
	maxParameters = 5
)

type file struct {
	room, path string
	ast        *ast.File
	set        *token.FileSet
}

// sources parses every file that is not a test.
func sources(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		room := filepath.ToSlash(filepath.Dir(path))
		if room == "." {
			room = ""
		}
		files = append(files, file{room, path, f, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (f file) at(n ast.Node) string {
	p := f.set.Position(n.Pos())
	return fmt.Sprintf("%s:%d", f.path, p.Line)
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	used := map[string]bool{}
	for _, f := range sources(t) {
		allowed, known := mayImport[f.room]
		if !known {
			t.Errorf("%s: the room %q is not in the table; a new room needs a line here and in ARCHITECTURE.md", f.path, f.room)
			continue
		}
		for _, im := range f.ast.Imports {
			path := strings.Trim(im.Path.Value, `"`)
			if path == "fringe" || strings.HasPrefix(path, "fringe/") {
				room := strings.TrimPrefix(strings.TrimPrefix(path, "fringe"), "/")
				used[f.room+" → "+room] = true
				if !slices.Contains(allowed, room) {
					t.Errorf("%s: room %q may not import room %q", f.at(im), f.room, room)
				}
				continue
			}
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				if module := checkThirdParty(t, f, im, path); module != "" {
					used[f.room+" → "+module] = true
				}
			}
		}
	}
	for room, allowed := range mayImport {
		for _, other := range allowed {
			if !used[room+" → "+other] {
				t.Errorf("room %q does not import room %q, which the table allows", room, other)
			}
		}
	}
	for module, rooms := range livesOnlyIn {
		for _, room := range rooms {
			if !used[room+" → "+module] {
				t.Errorf("room %q does not import %s, which the table allows", room, module)
			}
		}
	}
}

// checkThirdParty gives the module that a package is of.
func checkThirdParty(t *testing.T, f file, im *ast.ImportSpec, path string) string {
	t.Helper()
	for module, rooms := range livesOnlyIn {
		if path == module || strings.HasPrefix(path, module+"/") {
			if !slices.Contains(rooms, f.room) {
				t.Errorf("%s: %s may be imported only in %v", f.at(im), path, rooms)
			}
			return module
		}
	}
	t.Errorf("%s: %s is not in the table of dependencies; it needs a line here and in RATIONALE.md", f.at(im), path)
	return ""
}

func TestArchitectureNamesEveryRoom(t *testing.T) {
	text := read(t, "ARCHITECTURE.md")
	for room := range mayImport {
		if room != "" && !strings.HasPrefix(room, "bench/") && !strings.Contains(text, "| `"+room+"` |") {
			t.Errorf("the table of rooms in ARCHITECTURE.md has no line for %s", room)
		}
	}
	if n := strings.Count(text, "\n"); n > 200 {
		t.Errorf("ARCHITECTURE.md has %d lines; more than 200 are not read", n)
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	docs := map[string]bool{}
	for _, f := range sources(t) {
		docs[f.room] = docs[f.room] || f.ast.Doc != nil
	}
	for room, ok := range docs {
		if !ok {
			t.Errorf("the room %q has no package comment", room)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	total, missing := 0, []string{}
	note := func(f file, name *ast.Ident, doc *ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		total++
		if doc == nil {
			missing = append(missing, f.at(name)+" "+name.Name)
		}
	}
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil || receiverExported(d) {
					note(f, d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						note(f, s.Name, either(s.Doc, d.Doc))
					case *ast.ValueSpec:
						for _, n := range s.Names {
							note(f, n, either(s.Doc, s.Comment, d.Doc))
						}
					}
				}
			}
		}
	}
	if len(missing)*20 > total {
		t.Errorf("%d of %d exported names have no sentence; at most one in twenty may:\n%s", len(missing), total, strings.Join(missing, "\n"))
	}
}

func either(groups ...*ast.CommentGroup) *ast.CommentGroup {
	for _, g := range groups {
		if g != nil {
			return g
		}
	}
	return nil
}

func receiverExported(d *ast.FuncDecl) bool {
	typ := d.Recv.List[0].Type
	if s, ok := typ.(*ast.StarExpr); ok {
		typ = s.X
	}
	if ix, ok := typ.(*ast.IndexExpr); ok {
		typ = ix.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestFunctionsAreShort(t *testing.T) {
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1
			if lines > maxLines && longFunctions[f.room+"."+fn.Name.Name] == "" {
				t.Errorf("%s: %s has %d lines; more than %d need a reason in longFunctions", f.at(fn), fn.Name.Name, lines, maxLines)
			}
			if n := fn.Type.Params.NumFields(); n > maxParameters && manyParameters[f.room+"."+fn.Name.Name] == "" {
				t.Errorf("%s: %s has %d parameters; more than %d make a struct", f.at(fn), fn.Name.Name, n, maxParameters)
			}
		}
	}
}

func TestNoHiddenState(t *testing.T) {
	sentinel := regexp.MustCompile(`^(err|Err)[A-Z]`)
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s: init functions hide state; make it in a constructor", f.at(d))
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, s := range d.Specs {
					v := s.(*ast.ValueSpec)
					if !constant(v) && !embedded(d, v) && !sentinel.MatchString(v.Names[0].Name) && v.Names[0].Name != "_" {
						t.Errorf("%s: the package-level variable %s can change; hand it in", f.at(v), v.Names[0].Name)
					}
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && f.room != "cmd/fringe" && f.room != "driver/process" && !strings.HasPrefix(f.room, "bench/") {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" && (s.Sel.Name == "Getenv" || s.Sel.Name == "LookupEnv") {
					t.Errorf("%s: only cmd/fringe reads the environment", f.at(n))
				}
			}
			return true
		})
	}
}

// constant says whether a package-level variable is a table or a compiled
// value that nothing assigns to: a composite literal, a regexp, embedded files.
func constant(v *ast.ValueSpec) bool {
	if len(v.Values) == 0 {
		return false
	}
	switch x := v.Values[0].(type) {
	case *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		s, ok := x.Fun.(*ast.SelectorExpr)
		return ok && (s.Sel.Name == "OnceFunc" || s.Sel.Name == "MustCompile" || s.Sel.Name == "NewReplacer")
	}
	return false
}

// embedded says whether the compiler fills the variable.
func embedded(d *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, g := range []*ast.CommentGroup{d.Doc, v.Doc} {
		if g == nil {
			continue
		}
		for _, c := range g.List {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

func TestCommentsAreAboutThePresent(t *testing.T) {
	history := regexp.MustCompile(`(?i)\b(legacy|previously|used to be|no longer|now we|formerly)\b|\b(issue|PR|task) ?#?\d+|TODO|FIXME|XXX`)
	for _, f := range sources(t) {
		for _, g := range f.ast.Comments {
			if m := history.FindString(g.Text()); m != "" {
				t.Errorf("%s: the comment says %q; comments say what the code promises, history goes to CHANGELOG.md", f.at(g), m)
			}
		}
	}
}
