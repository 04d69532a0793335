package gateway

import (
	"net/http"

	"fringe"
)

// routes lists every route behind authentication.
func (g *Gateway) routes() {
	api := func(pattern string, role fringe.Role, f func(*http.Request) (answer, error)) {
		g.patterns[pattern] = role
		g.mux.Handle(pattern, g.serveJSON(role, f))
	}
	raw := func(pattern string, role fringe.Role, f func(http.ResponseWriter, *http.Request) error) {
		g.patterns[pattern] = role
		g.mux.Handle(pattern, g.serveRaw(role, f))
	}
	raw("/function/{ref}", fringe.Caller, g.invoke)
	raw("/function/{ref}/{path...}", fringe.Caller, g.invoke)
	raw("POST /async-function/{ref}", fringe.Caller, g.asyncCall)

	api("GET /api/v1/info", fringe.Reader, g.info)
	api("GET /api/v1/openapi.json", fringe.Reader, g.openAPI)
	api("GET /api/v1/doctor", fringe.Reader, g.doctor)
	api("GET /api/v1/functions", fringe.Reader, g.searchFunctions)
	api("POST /api/v1/functions", fringe.Publisher, g.publish)
	api("GET /api/v1/functions/{ref}", fringe.Reader, g.describe)
	api("GET /api/v1/functions/{ref}/cwl", fringe.Reader, g.describeCWL)
	api("GET /api/v1/functions/{ref}/schema", fringe.Reader, g.describeSchema)
	api("DELETE /api/v1/functions/{ref}", fringe.Publisher, g.unpublish)
	api("PUT /api/v1/functions/{ref}/aliases/{alias}", fringe.Publisher, g.setAlias)
	api("DELETE /api/v1/functions/{ref}/aliases/{alias}", fringe.Publisher, g.removeAlias)

	api("GET /api/v1/environments", fringe.Reader, g.environments)
	raw("POST /api/v1/environments", fringe.Publisher, g.buildEnvironment)
	api("GET /api/v1/environments/{name}", fringe.Reader, g.environment)
	api("DELETE /api/v1/environments/{name}", fringe.Publisher, g.removeEnvironment)

	api("GET /api/v1/datasets", fringe.Reader, g.listDatasets)
	api("POST /api/v1/datasets", fringe.Caller, g.addDataset)
	api("GET /api/v1/datasets/{did...}", fringe.Reader, g.dataset)
	api("DELETE /api/v1/datasets/{did...}", fringe.Caller, g.removeDataset)
	api("POST /api/v1/datasets:collect", fringe.Caller, g.collect)
	api("GET /api/v1/quotas", fringe.Reader, g.quotas)
	api("PUT /api/v1/quotas/{owner}", fringe.Operator, g.setQuota)
	api("PUT /api/v1/quotas/namespaces/{namespace}", fringe.Operator, g.setQuota)
	raw("GET /api/v1/content/{did...}", fringe.Reader, g.content)
	api("PUT /api/v1/content/{did...}", fringe.Caller, g.putContent)

	api("GET /api/v1/jobs", fringe.Reader, g.listJobs)
	api("POST /api/v1/jobs", fringe.Caller, g.createJob)
	api("GET /api/v1/jobs/{id}", fringe.Reader, g.showJob)
	api("DELETE /api/v1/jobs/{id}", fringe.Caller, g.deleteJob)
	raw("GET /api/v1/jobs/{id}/events", fringe.Reader, g.jobEvents)
	raw("GET /api/v1/jobs/{id}/log", fringe.Reader, g.jobLog)
	api("GET /api/v1/jobs/{id}/results", fringe.Reader, g.jobResults)
	raw("GET /api/v1/jobs/{id}/provenance", fringe.Reader, g.provenance)
	api("GET /api/v1/jobs/{id}/compare", fringe.Reader, g.compareJobs)
	api("POST /api/v1/jobs/{id}/run", fringe.Caller, g.runJob)
	api("POST /api/v1/jobs/{id}/abort", fringe.Caller, g.abortJob)
	api("POST /api/v1/jobs/{id}/rerun", fringe.Caller, g.rerunJob)

	api("GET /api/v1/tokens", fringe.Operator, g.listTokens)
	api("POST /api/v1/tokens", fringe.Operator, g.createToken)
	api("DELETE /api/v1/tokens/{token}", fringe.Operator, g.revokeToken)

	raw("GET /metrics", fringe.Reader, g.metrics)
	raw("/", fringe.Reader, g.nothingHere)
}

// serveRaw makes a handler of a function that writes its answer itself; an
// error that it returns is written when it has written nothing yet.
func (g *Gateway) serveRaw(role fringe.Role, f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := g.auth.Require(r.Context(), r.Pattern, role); err != nil {
			g.writeProblem(w, r, err)
			return
		}
		if err := f(w, r); err != nil {
			g.writeProblem(w, r, err)
		}
	}
}

func (g *Gateway) metrics(w http.ResponseWriter, r *http.Request) error {
	g.cfg.Metrics.ServeHTTP(w, r)
	return nil
}

func (g *Gateway) nothingHere(_ http.ResponseWriter, r *http.Request) error {
	return &fringe.Error{Op: "gateway", Kind: fringe.NotFound, Message: r.Method + " " + r.URL.Path + " is not part of the API",
		Cure: "functions are at /function/NAME, all else below /api/v1"}
}
