package cwl

import (
	"bytes"
	"encoding/xml"
	"path"
	"strings"
	"sync"
)

// ontology tells which formats are kinds of others, from the files that a
// document names in $schemas (RDF/XML, or Turtle). The files are read when the
// document is, and understood when a format is first not equal to the one that
// is asked for.
type ontology struct {
	sources [][]byte
	once    sync.Once
	above   map[string][]string // format → formats that it is a kind of
}

// readOntology reads the files. What is on the network or cannot be read is
// passed over: $schemas is advice, and formats that it would explain are then
// compared by name.
func (r *reader) readOntology(root *node, l *loader) *ontology {
	if l.ontologyOf != nil || l.resolve == nil {
		return l.ontologyOf
	}
	list := root.get("$schemas")
	if list == nil || list.kind != listNode {
		return nil
	}
	o := &ontology{}
	for _, n := range list.values {
		ref, ok := n.text()
		if !ok || hasScheme(ref) && !strings.HasPrefix(ref, "file://") || len(o.sources) >= 8 {
			continue
		}
		if ref = strings.TrimPrefix(ref, "file://"); !path.IsAbs(ref) {
			ref = path.Join(l.dir, ref)
		}
		if data, err := l.resolve(ref); err == nil && len(data) <= maxDocument {
			o.sources = append(o.sources, data)
		}
	}
	return o
}

// isA says whether a format is the wanted one or a kind of it.
func (o *ontology) isA(format, wanted string) bool {
	if format == wanted {
		return true
	}
	if o == nil {
		return false
	}
	o.once.Do(o.understand)
	seen := map[string]bool{format: true}
	queue := []string{format}
	for len(queue) > 0 {
		for _, up := range o.above[queue[0]] {
			if up == wanted {
				return true
			}
			if !seen[up] {
				seen[up] = true
				queue = append(queue, up)
			}
		}
		queue = queue[1:]
	}
	return false
}

func (o *ontology) understand() {
	o.above = map[string][]string{}
	for _, data := range o.sources {
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
			o.readXML(data)
		} else {
			o.readTurtle(string(data))
		}
	}
	o.sources = nil
}

func (o *ontology) add(subject, predicate, object string) {
	switch {
	case strings.HasSuffix(predicate, "subClassOf"):
		o.above[subject] = append(o.above[subject], object)
	case strings.HasSuffix(predicate, "equivalentClass"):
		o.above[subject] = append(o.above[subject], object)
		o.above[object] = append(o.above[object], subject)
	}
}

const rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

func (o *ontology) readXML(data []byte) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.Strict = false
	attribute := func(e xml.StartElement, name string) string {
		for _, a := range e.Attr {
			if a.Name.Space == rdf && a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	var about string
	for {
		t, err := dec.Token()
		if err != nil {
			return
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		if s := attribute(e, "about"); s != "" {
			about = s
		}
		if s := attribute(e, "resource"); s != "" && about != "" {
			o.add(about, e.Name.Local, s)
		}
	}
}

// readTurtle reads triples of names; whatever else Turtle can say is passed
// over.
func (o *ontology) readTurtle(text string) {
	prefixes := map[string]string{}
	name := func(word string) string {
		if s, ok := strings.CutPrefix(word, "<"); ok {
			return strings.TrimSuffix(s, ">")
		}
		prefix, local, _ := strings.Cut(word, ":")
		return prefixes[prefix] + local
	}
	var subject, predicate string
	words := strings.Fields(text)
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "@prefix" && i+2 < len(words) {
			prefixes[strings.TrimSuffix(words[i+1], ":")] = strings.Trim(words[i+2], "<>.")
			i += 2
			continue
		}
		end := ""
		if n := len(word); n > 1 && strings.ContainsRune(".;,", rune(word[n-1])) {
			word, end = word[:n-1], word[n-1:]
		}
		switch {
		case word == ".":
			subject, predicate = "", ""
		case word == ";":
			predicate = ""
		case word == ",":
		case subject == "":
			subject = name(word)
		case predicate == "":
			predicate = name(word)
		default:
			o.add(subject, predicate, name(word))
		}
		switch end {
		case ".":
			subject, predicate = "", ""
		case ";":
			predicate = ""
		}
	}
}
