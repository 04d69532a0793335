package soda

import (
	"encoding/xml"
	"net/http"
	"strings"
)

// The documents of VOSI 1.1, with the URL of the service in the place of {}.
const (
	capabilities = xml.Header + `<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:vod="http://www.ivoa.net/xml/VODataService/v1.1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <capability standardID="ivo://ivoa.net/std/VOSI#capabilities">
    <interface xsi:type="vod:ParamHTTP" role="std"><accessURL use="full">{}/capabilities</accessURL></interface>
  </capability>
  <capability standardID="ivo://ivoa.net/std/VOSI#availability">
    <interface xsi:type="vod:ParamHTTP" role="std"><accessURL use="full">{}/availability</accessURL></interface>
  </capability>
  <capability standardID="ivo://ivoa.net/std/SODA#sync-1.0">
    <interface xsi:type="vod:ParamHTTP" role="std" version="1.0"><accessURL use="full">{}/sync</accessURL>
      <securityMethod standardID="ivo://ivoa.net/sso#BearerToken"/>
      <queryType>GET</queryType><queryType>POST</queryType><resultType>application/fits</resultType>
    </interface>
  </capability>
  <capability standardID="ivo://ivoa.net/std/DataLink#links-1.1">
    <interface xsi:type="vod:ParamHTTP" role="std" version="1.1"><accessURL use="base">{links}</accessURL>
      <securityMethod standardID="ivo://ivoa.net/sso#BearerToken"/>
      <queryType>GET</queryType><queryType>POST</queryType><resultType>application/x-votable+xml;content=datalink</resultType>
    </interface>
  </capability>
</vosi:capabilities>
`
	availability = xml.Header + `<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0"><vosi:available>{}</vosi:available><vosi:note>{note}</vosi:note></vosi:availability>
`
)

// document answers with one of the VOSI documents. The service is available
// when its function is published.
func (s *Service) document(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	if strings.HasSuffix(r.URL.Path, "/capabilities") {
		strings.NewReplacer("{}", escaped(siteURL(r)+s.cfg.Path), "{links}", escaped(siteURL(r)+s.cfg.Links)).WriteString(w, capabilities)
		return
	}
	available, note := "true", "cutouts of FITS images and cubes"
	if _, err := s.cfg.Resolve(r.Context(), s.cfg.Function); err != nil {
		available, note = "false", "the function that makes cutouts is not published"
	}
	strings.NewReplacer("{}", available, "{note}", note).WriteString(w, availability)
}

// siteURL is the address at which the site was asked.
func siteURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// escaped is a text as XML has it.
func escaped(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text))
	return b.String()
}
