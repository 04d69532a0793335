package server

import (
	"context"
	"net/http"
	"path"
	"strings"

	"fringe"
	"fringe/auth"
	"fringe/catalogue"
	"fringe/gateway"
	"fringe/gateway/soda"
	"fringe/gateway/uws"
	"fringe/site"
)

// surfaces gives the services of other protocols by their paths.
func (s *Server) surfaces(au *auth.Auth, ca *catalogue.Catalogue, m *metrics) (map[string]gateway.Surface, error) {
	services := map[string]gateway.Surface{"/uws": uws.New(uws.Config{Site: s.site, Auth: au, Catalogue: ca, Data: s.data, Jobs: s.jobs,
		UploadMax: s.cfg.UploadMiB << 20, Log: s.log,
		Send: func(w http.ResponseWriter, r *http.Request, did fringe.DID) error {
			return s.gateway.SendDataset(w, r, did)
		}})}
	at := s.cfg.SODA
	if at == "" {
		return services, nil
	}
	if at != path.Clean(at) || len(at) < 2 || at[0] != '/' || strings.ContainsAny(at, "{} ") {
		return nil, fringe.Errorf("server.surfaces", fringe.Invalid, "the path of SODA %q begins with a slash, does not end with one, and is not empty, as /ska/datasets/soda", at)
	}
	var rules []soda.Rule
	for _, text := range s.cfg.SODARules {
		r, err := soda.ParseRule(text)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	links := path.Join(path.Dir(at), "links")
	if links == at {
		return nil, fringe.Errorf("server.surfaces", fringe.Invalid, "the path of SODA %q is that of DataLink's links, which are beside it; choose another, as /ska/datasets/soda", at)
	}
	cutouts := soda.New(soda.Config{Path: at, Links: links, Function: "cutout", Dataset: s.data.Get, Rules: append(rules, soda.DefaultRules()...),
		Resolve: ca.Resolve, Call: m.observed(s.site.Call), Require: au.Require, Log: s.log})
	services[at], services[links] = cutouts, cutouts
	return services, nil
}

// observed gives call with each of its calls counted.
func (m *metrics) observed(call func(context.Context, site.Request) (*site.Answer, error)) func(context.Context, site.Request) (*site.Answer, error) {
	return func(ctx context.Context, r site.Request) (*site.Answer, error) {
		a, err := call(ctx, r)
		o := gateway.Observation{Function: r.Version.Name, Outcome: gateway.OutcomeOf(err)}
		if a != nil {
			o.Timing, o.Cold = a.Timing, a.Cold
		}
		m.observe(o)
		return a, err
	}
}
