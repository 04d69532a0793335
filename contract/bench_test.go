package contract_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"fringe"
	"fringe/contract"
	"fringe/contract/contracttest"
)

func BenchmarkWorker(b *testing.B) {
	s := fringe.Spec{ID: "echo", Env: []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + repo(b) + "/python"}, Dir: "/tmp", Argv: contract.WorkerArgv(python)}
	w, err := contract.StartWorker(b.Context(), contracttest.Driver{}, s, contract.Load{File: repo(b) + "/bench/echo/function.py", Handler: "main"})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := &fringe.Call{Function: &fringe.Function{Name: "echo"}, Inputs: []byte(`{"message":"` + strings.Repeat("x", 1024) + `"}`)}
	b.ReportAllocs()
	for b.Loop() {
		res, err := w.Invoke(ctx, c)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			b.Fatal(err)
		}
		res.Body.Close()
	}
}
