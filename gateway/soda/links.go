package soda

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fringe"
)

const (
	linksType = "application/x-votable+xml;content=datalink"
	maxLinks  = 1000 // IDs of a request; of more, the answer says that it is cut
	service   = "cutouts"
)

// The document of DataLink 1.1. Its field ID has that XML id too, by which the
// descriptor of the service refers to it.
const (
	linksHead = xml.Header + `<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<INFO name="standardID" value="ivo://ivoa.net/std/DataLink#links-1.1"/>
<INFO name="QUERY_STATUS" value="OK"/>
<TABLE>
<FIELD name="ID" ID="ID" datatype="char" arraysize="*" ucd="meta.id;meta.main"/>
<FIELD name="access_url" datatype="char" arraysize="*" ucd="meta.ref.url"/>
<FIELD name="service_def" datatype="char" arraysize="*" ucd="meta.ref"/>
<FIELD name="error_message" datatype="char" arraysize="*" ucd="meta.code.error"/>
<FIELD name="description" datatype="char" arraysize="*" ucd="meta.note"/>
<FIELD name="semantics" datatype="char" arraysize="*" ucd="meta.code"/>
<FIELD name="content_type" datatype="char" arraysize="*" ucd="meta.code.mime"/>
<FIELD name="content_length" datatype="long" unit="byte" ucd="phys.size;meta.file"><VALUES null="-1"/></FIELD>
<FIELD name="link_auth" datatype="char" arraysize="*" ucd="meta.code"/>
<DATA><TABLEDATA>
`
	linksEnd = `</TABLEDATA></DATA>
</TABLE>
%s</RESOURCE>
<RESOURCE type="meta" utype="adhoc:service" ID="` + service + `">
<PARAM name="standardID" datatype="char" arraysize="*" value="ivo://ivoa.net/std/SODA#sync-1.0"/>
<PARAM name="accessURL" datatype="char" arraysize="*" value="%s"/>
<PARAM name="contentType" datatype="char" arraysize="*" value="` + fitsType + `"/>
<GROUP name="inputParams">
<PARAM name="ID" datatype="char" arraysize="*" ucd="meta.id;meta.dataset" ref="ID" value=""/>
<PARAM name="POS" datatype="char" arraysize="*" ucd="pos.outline;obs" value=""/>
<PARAM name="CIRCLE" datatype="double" arraysize="3" unit="deg" xtype="circle" ucd="pos.outline;obs" value=""/>
<PARAM name="POLYGON" datatype="double" arraysize="*" unit="deg" xtype="polygon" ucd="pos.outline;obs" value=""/>
<PARAM name="BAND" datatype="double" arraysize="2" unit="m" xtype="interval" ucd="em.wl;stat.interval" value=""/>
<PARAM name="POL" datatype="char" arraysize="*" ucd="meta.code;phys.polarization" value=""><VALUES>%s</VALUES></PARAM>
</GROUP>
</RESOURCE>
</VOTABLE>
`
	overflow = `<INFO name="QUERY_STATUS" value="OVERFLOW"/>` + "\n"
)

// links answers with what there is of each dataset that an ID names: its
// content, and of FITS files the service that cuts parts out of it. An ID that
// names nothing is a row that says so.
func (s *Service) links(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err := s.cfg.Require(r.Context(), "soda.links", fringe.Reader)
	if err == nil {
		err = parseForm(r)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var ids []string
	for name, values := range r.Form {
		switch strings.ToUpper(name) {
		case "ID":
			ids = append(ids, values...)
		case "RESPONSEFORMAT", "RESPONSE_FORMAT":
			if form := strings.ToLower(values[0]); form != "" && !strings.Contains(form, "votable") && form != "text/xml" {
				s.fail(w, r, bad("RESPONSEFORMAT %.100q is not made here; %s is", form, linksType))
				return
			}
		}
	}
	cut := ""
	if len(ids) > maxLinks {
		ids, cut = ids[:maxLinks], overflow
	}
	site := siteURL(r)
	var b strings.Builder
	b.WriteString(linksHead)
	for _, id := range ids {
		s.rows(&b, r, site, id)
	}
	var words strings.Builder
	for _, p := range strings.Fields(polarizations) {
		fmt.Fprintf(&words, `<OPTION value="%s"/>`, p)
	}
	fmt.Fprintf(&b, linksEnd, cut, escaped(site+s.cfg.Path+"/sync"), &words)
	w.Header().Set("Content-Type", linksType)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.Write([]byte(b.String()))
}

// rows writes the links of one ID.
func (s *Service) rows(b *strings.Builder, r *http.Request, site, id string) {
	var q query
	err := q.id(id, s.cfg.Rules)
	var d fringe.Dataset
	if err == nil {
		d, err = s.cfg.Dataset(r.Context(), q.did)
	}
	if err != nil {
		row(b, id, "", "", faultOf(err), "", "#this", "", "-1")
		return
	}
	kind, size := d.MediaType, strconv.FormatInt(d.Size, 10)
	if d.Directory {
		kind, size = "application/x-tar", "-1"
	} else if kind == "" {
		kind = "application/octet-stream"
	}
	row(b, id, site+(&url.URL{Path: "/api/v1/content/" + q.did.String()}).EscapedPath(), "", "", d.Basename, "#this", kind, size)
	if !d.Directory && (strings.HasSuffix(kind, "/fits") || strings.HasSuffix(strings.ToLower(d.Basename), ".fits")) {
		row(b, id, "", service, "", "A part of it: a circle, polygon or range, a band, polarizations", "#cutout", fitsType, "-1")
	}
}

// row writes one link by its cells, in the order of the fields. To follow it, a
// principal must be known.
func row(b *strings.Builder, cells ...string) {
	b.WriteString("<TR>")
	for _, cell := range append(cells, "true") {
		b.WriteString("<TD>" + escaped(cell) + "</TD>")
	}
	b.WriteString("</TR>\n")
}

// faultOf says what is wrong with an ID in the words of DataLink.
func faultOf(err error) string {
	_, _, text := classify(err)
	var e *fringe.Error
	var f *fault
	switch {
	case errors.As(err, &f):
		return "UsageFault: " + text
	case !errors.As(err, &e):
		return "DefaultFault: " + text
	case e.Kind == fringe.NotFound:
		return "NotFoundFault: " + text
	case e.Kind == fringe.Busy || e.Kind == fringe.Unavailable:
		return "TransientFault: " + text
	}
	return "FatalFault: " + text
}
