package catalogue

import (
	"container/list"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"fringe"
	"fringe/store"
)

// latest is the alias that moves by itself.
const latest = "latest"

// index is what is kept in memory of all versions.
type index struct {
	families     map[string]*family
	names        []string              // of the families, sorted
	contents     map[fringe.Digest]int // how many releases have a content
	environments map[fringe.EnvironmentName]fringe.Environment
}

// family is a function with its versions.
type family struct {
	releases []*release          // ascending
	aliases  map[string]*release // latest too
}

// release is one version as the index has it.
type release struct {
	name        string
	version     semver
	digest      fringe.Digest
	environment fringe.EnvironmentName
	summary     string   // a space and the summary in lower case, for searching
	keywords    []string // in lower case

	loading sync.Mutex // held while the version is read
}

func newRelease(v *Version) *release {
	sv, _ := parseVersion(v.Version)
	r := &release{name: string(v.Name), version: sv, digest: v.Digest, environment: v.Environment, summary: " " + strings.ToLower(v.Doc.Summary)}
	for _, k := range v.Doc.Keywords {
		r.keywords = append(r.keywords, strings.ToLower(k))
	}
	return r
}

// notHere is the error for what a function that is here has not.
func notHere(name, format string, args ...any) error {
	return &fringe.Error{Op: "catalogue.Resolve", Kind: fringe.NotFound, Component: fringe.Catalogue, Message: fmt.Sprintf(format, args...),
		Cure: "see what it has with: fringe describe " + name}
}

// family gives a function's versions, or an error that tells near names.
func (x *index) family(name string) (*family, error) {
	if f := x.families[name]; f != nil {
		return f, nil
	}
	e := &fringe.Error{Op: "catalogue.Resolve", Kind: fringe.NotFound, Component: fringe.Catalogue,
		Message: fmt.Sprintf("there is no function %.100q here", name), Cure: "list them with: fringe functions"}
	if near := fringe.Nearest(name, x.names, 3); near != nil {
		e.Message += "; near names are " + strings.Join(near, ", ")
	}
	return nil, e
}

// find gives the release that ref names.
func (x *index) find(ref string) (*release, error) {
	name, which, chosen := strings.Cut(ref, "@")
	f, err := x.family(name)
	if err != nil {
		return nil, err
	}
	if !chosen {
		which = latest
	}
	if r := f.aliases[which]; r != nil {
		return r, nil
	}
	if digits, ok := strings.CutPrefix(which, "sha256:"); ok {
		return f.byDigest(name, digits)
	}
	if r := f.version(which); r != nil {
		return r, nil
	}
	if aliasRE.MatchString(which) {
		return nil, notHere(name, "%s has no alias %s; it has %s", name, which, strings.Join(sortedKeys(f.aliases), ", "))
	}
	return nil, notHere(name, "%s has no version %.64q; it has %s", name, which, f.versionList())
}

// version gives the release with the text of a version; nil when there is none.
func (f *family) version(text string) *release {
	for _, r := range f.releases {
		if r.version.text == text {
			return r
		}
	}
	return nil
}

func (f *family) byDigest(name, digits string) (*release, error) {
	var found *release
	for _, r := range f.releases {
		if len(digits) >= 8 && strings.HasPrefix(string(r.digest), "sha256:"+digits) {
			if found != nil && found.digest != r.digest {
				return nil, &fringe.Error{Op: "catalogue.Resolve", Kind: fringe.Invalid, Component: fringe.Catalogue,
					Message: "several versions of " + name + " have a digest that begins with " + digits, Cure: "give more digits"}
			}
			found = r
		}
	}
	if found == nil {
		return nil, notHere(name, "%s has no version with the digest sha256:%.64s; it has %s", name, digits, f.versionList())
	}
	return found, nil
}

// versionList names some of the versions, the highest first.
func (f *family) versionList() string {
	var out []string
	for i := len(f.releases) - 1; i >= 0 && len(out) < 8; i-- {
		out = append(out, f.releases[i].version.text)
	}
	if len(out) < len(f.releases) {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}

// add puts a release into the index.
func (x *index) add(r *release) {
	f := x.families[r.name]
	if f == nil {
		f = &family{aliases: map[string]*release{}}
		x.families[r.name] = f
		i, _ := slices.BinarySearch(x.names, r.name)
		x.names = slices.Insert(x.names, i, r.name)
	}
	i, _ := slices.BinarySearchFunc(f.releases, r, func(a, b *release) int { return a.version.compare(b.version) })
	f.releases = slices.Insert(f.releases, i, r)
	f.aliases[latest] = f.highest()
	x.contents[r.digest]++
}

// remove takes a release out of the index.
func (x *index) remove(r *release) {
	if x.contents[r.digest]--; x.contents[r.digest] == 0 {
		delete(x.contents, r.digest)
	}
	f := x.families[r.name]
	f.releases = slices.DeleteFunc(f.releases, func(o *release) bool { return o == r })
	if len(f.releases) == 0 {
		delete(x.families, r.name)
		i, _ := slices.BinarySearch(x.names, r.name)
		x.names = slices.Delete(x.names, i, i+1)
		return
	}
	f.aliases[latest] = f.highest()
}

// highest gives the release that latest stands for.
func (f *family) highest() *release {
	var best *release
	for _, r := range f.releases {
		if best == nil || r.version.pre == "" || best.version.pre != "" {
			best = r
		}
	}
	return best
}

// readIndex reads the index from the store.
func readIndex(tx *store.Tx) (index, error) {
	x := index{families: map[string]*family{}, contents: map[fringe.Digest]int{}, environments: map[fringe.EnvironmentName]fringe.Environment{}}
	if err := readVersions(tx, &x); err != nil {
		return x, err
	}
	if err := readAliases(tx, &x); err != nil {
		return x, err
	}
	return x, readEnvironments(tx, &x)
}

func readVersions(tx *store.Tx, x *index) error {
	rows, err := tx.Query(`SELECT name, version, digest, environment, summary, keywords FROM catalogue_versions ORDER BY name`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r := &release{}
		var version string
		var env, summary, keywords *string
		if err := rows.Scan(&r.name, &version, &r.digest, &env, &summary, &keywords); err != nil {
			return err
		}
		r.version, _ = parseVersion(version)
		if env != nil {
			r.environment = fringe.EnvironmentName(*env)
		}
		if summary != nil {
			r.summary = " " + strings.ToLower(*summary)
		}
		if keywords != nil {
			if err := json.Unmarshal([]byte(strings.ToLower(*keywords)), &r.keywords); err != nil {
				return err
			}
		}
		x.add(r)
	}
	return rows.Err()
}

func readAliases(tx *store.Tx, x *index) error {
	rows, err := tx.Query(`SELECT name, alias, version FROM catalogue_aliases`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, alias, version string
		if err := rows.Scan(&name, &alias, &version); err != nil {
			return err
		}
		if r, err := x.find(name + "@" + version); err == nil {
			x.families[name].aliases[alias] = r
		}
	}
	return rows.Err()
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// recent keeps the most recently used versions with their interfaces.
type recent struct {
	max int

	mu    sync.Mutex                 // guards order and items
	order *list.List                 // of *kept, the most recent first
	items map[*release]*list.Element // a release that is published again is another key
}

type kept struct {
	key *release
	v   *Version
}

func newRecent(n int) *recent {
	return &recent{max: n, order: list.New(), items: map[*release]*list.Element{}}
}

func (r *recent) get(key *release) *Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.items[key]
	if e == nil {
		return nil
	}
	r.order.MoveToFront(e)
	return e.Value.(*kept).v
}

func (r *recent) put(key *release, v *Version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.items[key] != nil {
		return
	}
	r.items[key] = r.order.PushFront(&kept{key, v})
	for r.order.Len() > r.max {
		r.drop(r.order.Back())
	}
}

func (r *recent) remove(key *release) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.items[key]; e != nil {
		r.drop(e)
	}
}

func (r *recent) drop(e *list.Element) {
	r.order.Remove(e)
	delete(r.items, e.Value.(*kept).key)
}
