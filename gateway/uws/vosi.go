package uws

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"

	"fringe"
	"fringe/catalogue"
	"fringe/cwl"
)

// The standards' identifiers of what a function's service offers.
const (
	capabilitiesID = "ivo://ivoa.net/std/VOSI#capabilities"
	availabilityID = "ivo://ivoa.net/std/VOSI#availability"
	examplesID     = "ivo://ivoa.net/std/DALI#examples"
	jobsID         = "ivo://ivoa.net/std/UWS#rest-1.1"
)

type accessXML struct {
	Use string `xml:"use,attr"`
	URL string `xml:",chardata"`
}

type dataTypeXML struct {
	Size string `xml:"arraysize,attr,omitempty"`
	Name string `xml:",chardata"`
}

type paramXML struct {
	Use         string      `xml:"use,attr"`
	Std         bool        `xml:"std,attr"`
	Name        string      `xml:"name"`
	Description string      `xml:"description,omitempty"`
	Unit        string      `xml:"unit,omitempty"`
	UCD         string      `xml:"ucd,omitempty"`
	DataType    dataTypeXML `xml:"dataType"`
}

type interfaceXML struct {
	Type   string     `xml:"xsi:type,attr"`
	Role   string     `xml:"role,attr"`
	Access accessXML  `xml:"accessURL"`
	Query  []string   `xml:"queryType"`
	Params []paramXML `xml:"param"`
}

type capabilityXML struct {
	Standard    string       `xml:"standardID,attr,omitempty"`
	Description string       `xml:"description,omitempty"`
	Interface   interfaceXML `xml:"interface"`
}

// writeCapabilities writes the VOSI document of what the service of v at base
// offers; the inputs stand as the parameters of its interfaces.
func writeCapabilities(w io.Writer, v *catalogue.Version, base string) error {
	at := func(standard, path string) capabilityXML {
		return capabilityXML{Standard: standard, Interface: interfaceXML{Type: "vs:ParamHTTP", Role: "std", Access: accessXML{"full", base + path}}}
	}
	jobs, once := at(jobsID, "/async"), at("", "/sync")
	jobs.Interface.Access.Use = "base"
	once.Description = v.Doc.Summary
	once.Interface.Access.Use = "base"
	for _, c := range []*capabilityXML{&jobs, &once} {
		c.Interface.Query, c.Interface.Params = []string{"POST"}, paramsXML(v.Tool)
	}
	all := []capabilityXML{at(capabilitiesID, "/capabilities"), at(availabilityID, "/availability")}
	if v.Doc.Example != nil {
		all = append(all, at(examplesID, "/examples"))
	}
	return write(w, struct {
		XMLName      xml.Name        `xml:"vosi:capabilities"`
		VOSI         string          `xml:"xmlns:vosi,attr"`
		VS           string          `xml:"xmlns:vs,attr"`
		XSI          string          `xml:"xmlns:xsi,attr"`
		Capabilities []capabilityXML `xml:"capability"`
	}{VOSI: "http://www.ivoa.net/xml/VOSICapabilities/v1.0", VS: "http://www.ivoa.net/xml/VODataService/v1.1", XSI: xsiSpace,
		Capabilities: append(all, jobs, once)})
}

func paramsXML(t *cwl.Tool) []paramXML {
	var out []paramXML
	for _, in := range t.Inputs {
		p := paramXML{Use: "required", Name: in.Name, Description: in.Doc, Unit: in.Unit, UCD: in.UCD}
		if in.HasDefault || in.Type.Optional {
			p.Use = "optional"
		}
		typ := &in.Type
		if typ.Kind == cwl.Array {
			typ, p.DataType.Size = typ.Items, "*"
		}
		p.DataType.Name = dataTypeOf(typ.Kind)
		out = append(out, p)
	}
	return out
}

// dataTypeOf gives VODataService's name of a simple type; what it has no name
// for is written as text.
func dataTypeOf(k cwl.Kind) string {
	switch k {
	case cwl.Int, cwl.Long:
		return "integer"
	case cwl.Float, cwl.Double:
		return "real"
	case cwl.Boolean:
		return "boolean"
	}
	return "string"
}

// writeAvailability writes the VOSI document that says whether calls are taken.
func writeAvailability(w io.Writer, available bool, note string) error {
	return write(w, struct {
		XMLName   xml.Name `xml:"vosi:availability"`
		VOSI      string   `xml:"xmlns:vosi,attr"`
		Available bool     `xml:"vosi:available"`
		Note      string   `xml:"vosi:note,omitempty"`
	}{VOSI: "http://www.ivoa.net/xml/VOSIAvailability/v1.0", Available: available, Note: note})
}

// writeExamples writes the function's example as DALI's XHTML with RDFa.
func writeExamples(w io.Writer, v *catalogue.Version) error {
	var inputs map[string]any
	if err := fringe.Unmarshal(v.Doc.Example, &inputs); err != nil {
		return err
	}
	type dd struct {
		Property string `xml:"property,attr"`
		Text     string `xml:",chardata"`
	}
	type pair struct {
		Property string `xml:"property,attr"`
		TypeOf   string `xml:"typeof,attr"`
		Key      dd     `xml:"span"`
		Value    dd     `xml:"code"`
	}
	type example struct {
		ID         string `xml:"id,attr"`
		Resource   string `xml:"resource,attr"`
		TypeOf     string `xml:"typeof,attr"`
		Name       dd     `xml:"h2"`
		Capability struct {
			Property string `xml:"property,attr"`
			Resource string `xml:"resource,attr"`
		} `xml:"span"`
		Pairs []pair `xml:"p"`
	}
	e := example{ID: "example", Resource: "#example", TypeOf: "example", Name: dd{"name", fmt.Sprintf("%s: %s", v.Name, v.Doc.Summary)}}
	e.Capability.Property, e.Capability.Resource = "capability", jobsID
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		e.Pairs = append(e.Pairs, pair{"generic-parameter", "keyval", dd{"key", name}, dd{"value", textOf(inputs[name])}})
	}
	return write(w, struct {
		XMLName xml.Name `xml:"html"`
		Space   string   `xml:"xmlns,attr"`
		Title   string   `xml:"head>title"`
		Body    struct {
			Vocab   string  `xml:"vocab,attr"`
			Example example `xml:"div"`
		} `xml:"body"`
	}{Space: "http://www.w3.org/1999/xhtml", Title: "Examples of " + string(v.Name), Body: struct {
		Vocab   string  `xml:"vocab,attr"`
		Example example `xml:"div"`
	}{"http://www.ivoa.net/rdf/examples#", e}})
}

// textOf writes an input's value as the text of a parameter: what a file or
// directory is named by, plain text, else JSON.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		location, _ := v["location"].(string)
		if c := v["class"]; location != "" && (c == "File" || c == "Directory") {
			return location
		}
	case []any:
		if texts := textsOf(v); texts != nil {
			return jsonText(texts)
		}
	}
	return jsonText(v)
}

// textsOf gives a list of files as their names; nil when it is another list.
func textsOf(list []any) []string {
	var out []string
	for _, x := range list {
		m, ok := x.(map[string]any)
		if !ok || m["class"] != "File" && m["class"] != "Directory" {
			return nil
		}
		out = append(out, textOf(m))
	}
	return out
}

// jsonText writes a value that came from JSON as JSON.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
