package gateway_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fringe/client"
	"fringe/server/servertest"
)

// The document describes every route, no other, and is valid OpenAPI.
func TestOpenAPI(t *testing.T) {
	s := servertest.Start(t, servertest.Config(t.TempDir()))
	doc, err := client.Get[json.RawMessage](t.Context(), s.Client, "/api/v1/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]struct {
			Summary   string                     `json:"summary"`
			Responses map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(doc, &api); err != nil {
		t.Fatal(err)
	}
	for path, methods := range api.Paths {
		for method, op := range methods {
			if op.Summary == "" || len(op.Responses) < 2 {
				t.Errorf("%s %s is not described in openapi.go", method, path)
			}
		}
	}
	if len(api.Paths["/api/v1/jobs/{id}"]) != 2 || len(api.Paths["/function/{ref}"]) != 2 {
		t.Errorf("the paths are %v", api.Paths)
	}
	if job := api.Components.Schemas["Job"].Properties; string(job["phase"]) != `{"type":"string"}` || job["attempts"] == nil {
		t.Errorf("a job has the properties %s", job)
	}
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(validators(t), "-m", "openapi_spec_validator", file).CombinedOutput(); err != nil {
		t.Errorf("not valid OpenAPI 3.1: %v\n%s\n%s", err, out, doc)
	}
}
