// Command warm measures what a warm call costs, against a bare reverse proxy in
// the same run:
//
//	echo         a bare Go net/http echo
//	proxy        a bare httputil.ReverseProxy in front of echo
//	python       a net/http server, the pool and an echo in a Python worker
//	http         a net/http server, the pool and echo behind the http contract
//	site         POST /function/echo on a site: functions/echo, with token, validation, metrics
//	site-native  the same for the echo in C of bench/echo, a native worker
//	site-http    the same for echo behind the http contract
//
// The load generator is wrk. The table goes to stdout: latencies at one
// connection, requests per second at several, the medians of their ratios to
// the proxy in the same round, and the processor time of a call in all its
// processes, which other work on the machine changes least.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"fringe"
	"fringe/bench/local"
	"fringe/contract"
	"fringe/contract/contracttest"
	"fringe/pool"
)

type options struct {
	duration    time.Duration
	rounds      int
	connections []int
	python      string
	repo        string
	size        int
	workers     int
	only        []string
	binary      string // of Fringe
	stream      int    // MiB; 0: none
}

// target is what is measured.
type target struct {
	name   string
	url    string
	token  string // empty: none is needed
	pid    int    // of its server
	behind int    // of a further server that does its work; 0: none
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("warm: ")
	if len(os.Args) == 2 && os.Args[1] == programRole {
		serve(programRole)
		return
	}
	if role := os.Getenv("WARM_ROLE"); role != "" {
		serve(role)
		return
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	var o options
	flag.DurationVar(&o.duration, "d", time.Second, "`time` of one measurement, in whole seconds")
	flag.IntVar(&o.rounds, "rounds", 9, "`number` of interleaved rounds; the median counts")
	flag.StringVar(&o.python, "python", "/usr/bin/python3", "the `interpreter`")
	flag.StringVar(&o.binary, "fringe", "bin/fringe", "the `binary` of the site")
	flag.StringVar(&o.repo, "repo", ".", "the `directory` of the repository")
	flag.IntVar(&o.size, "size", 1024, "`bytes` of the message")
	flag.IntVar(&o.workers, "workers", 0, "most `workers`; 0: the pool's default")
	flag.IntVar(&o.stream, "stream", 0, "also stream bodies of so many `MiB`")
	c := flag.String("c", "1,16,64", "`connections`")
	only := flag.String("only", "", "measure only these `targets`, by comma")
	flag.Parse()
	for s := range strings.SplitSeq(*c, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("-c %q: write numbers with commas between", *c)
		}
		o.connections = append(o.connections, n)
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	if err := local.HasWrk(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	targets, closeAll, err := startAll(ctx, o)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := measure(ctx, o, targets); err != nil {
		return err
	}
	if o.stream > 0 {
		return streamAll(ctx, o, targets)
	}
	return nil
}

// startAll starts the servers that are measured, each in a process of its own.
func startAll(ctx context.Context, o options) ([]target, func(), error) {
	var targets []target
	var stops []func()
	stop := func() {
		for _, s := range stops {
			s()
		}
	}
	var echo target
	for _, name := range []string{"echo", "proxy", "python", "http"} {
		if !o.wants(name) && name != "echo" {
			continue
		}
		t, end, err := startRole(ctx, o, name, echo.url)
		if err != nil {
			stop()
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		stops = append(stops, end)
		switch name {
		case "echo":
			echo = t
		case "proxy":
			t.behind = echo.pid
		}
		targets = append(targets, t)
	}
	if o.wants("site") || o.wants("site-native") || o.wants("site-http") {
		more, end, err := startSite(o)
		if err != nil {
			stop()
			return nil, nil, err
		}
		stops = append(stops, end)
		targets = append(targets, more...)
	}
	return targets, stop, nil
}

func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

// startRole starts this program again as a server.
func startRole(ctx context.Context, o options, role, echo string) (target, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return target{}, nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	repo, err := filepath.Abs(o.repo)
	if err != nil {
		return target{}, nil, err
	}
	cmd.Env = append(os.Environ(), "WARM_ROLE="+role, "WARM_ECHO="+echo, "WARM_PYTHON="+o.python, "WARM_REPO="+repo, "WARM_WORKERS="+strconv.Itoa(o.workers))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return target{}, nil, err
	}
	if err := cmd.Start(); err != nil {
		return target{}, nil, err
	}
	end := func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	var u string
	if _, err := fmt.Fscanln(out, &u); err != nil {
		end()
		return target{}, nil, errors.New("the server did not start")
	}
	return target{name: role, url: u, pid: cmd.Process.Pid}, end, nil
}

// serve is the life of a measured server.
func serve(role string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if role == programRole {
		program(ctx)
		return
	}
	handler, end, err := handlerOf(role)
	if err != nil {
		log.Fatalf("%s: %v", role, err)
	}
	defer end()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{Handler: handler}
	go s.Serve(l)
	fmt.Printf("http://%s/\n", l.Addr())
	<-ctx.Done()
	s.Close()
}

func handlerOf(role string) (http.Handler, func(), error) {
	nothing := func() {}
	switch role {
	case "echo":
		return http.HandlerFunc(echo), nothing, nil
	case "proxy":
		u, err := url.Parse(os.Getenv("WARM_ECHO"))
		if err != nil {
			return nil, nil, err
		}
		p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, BufferPool: &buffers{}, ErrorLog: log.New(io.Discard, "", 0), // wrk leaves in the middle of calls
			Transport: &http.Transport{MaxIdleConns: 1000, MaxIdleConnsPerHost: 1000}}
		return p, nothing, nil
	case "python", "http":
		return pooled(role)
	}
	return nil, nil, errors.New("no such role")
}

// echo answers with the body: at once when it is small, else as it comes.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	if r.URL.Query().Has("count") {
		n, _ := io.CopyBuffer(onlyWriter{io.Discard}, r.Body, make([]byte, 256<<10))
		w.Header().Del("Content-Length")
		fmt.Fprintln(w, n)
		return
	}
	if r.ContentLength >= 0 && r.ContentLength <= 64<<10 {
		b := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, b); err == nil {
			w.Write(b)
		}
		return
	}
	http.NewResponseController(w).EnableFullDuplex()
	io.CopyBuffer(onlyWriter{w}, r.Body, make([]byte, 256<<10))
}

type onlyWriter struct{ io.Writer }

const programRole = "program"

// program is the echo that the http contract speaks with.
func program(ctx context.Context) {
	l, err := net.Listen("unix", os.Getenv("FRINGE_SOCKET"))
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(echo)}
	go s.Serve(l)
	<-ctx.Done()
	s.Close()
}

// pooled is the least server in front of the pool.
func pooled(role string) (http.Handler, func(), error) {
	repo, workers := os.Getenv("WARM_REPO"), 0
	workers, _ = strconv.Atoi(os.Getenv("WARM_WORKERS"))
	fn := &fringe.Function{Name: "echo", Version: "1.0.0", Digest: fringe.Digest("sha256:" + role), Shape: fringe.Service,
		Warm: fringe.Warm{Min: max(1, workers), Max: workers, Queue: 1024}}
	scratch, err := os.MkdirTemp("", "warm-")
	if err != nil {
		return nil, nil, err
	}
	start := func(ctx context.Context, fn *fringe.Function) (pool.Instance, error) {
		s := fringe.Spec{ID: "echo", Env: []string{"PATH=/usr/bin:/bin", "PYTHONPATH=" + filepath.Join(repo, "python")}, Dir: "/tmp"}
		s.Argv = contract.WorkerArgv(os.Getenv("WARM_PYTHON"))
		return contract.StartWorker(ctx, contracttest.Driver{}, s, contract.Load{File: filepath.Join(repo, "bench/echo/function.py"), Handler: "main"})
	}
	if role == "http" {
		fn.Contract, fn.Raw, fn.Warm.Max, fn.Warm.Concurrency = fringe.HTTP, true, 1, 128
		start = func(ctx context.Context, fn *fringe.Function) (pool.Instance, error) {
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			return contract.StartHTTP(ctx, contracttest.Driver{}, fringe.Spec{ID: "echo", Argv: []string{self}, Env: []string{"WARM_ROLE=" + programRole}, Dir: "/tmp", Scratch: scratch})
		}
	}
	p, err := pool.New(pool.Config{Start: start})
	if err != nil {
		return nil, nil, err
	}
	p.Keep(fn)
	return &gateway{p, fn}, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		p.Drain(ctx)
		os.RemoveAll(scratch)
	}, nil
}

type gateway struct {
	pool *pool.Pool
	fn   *fringe.Function
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &fringe.Call{Function: g.fn}
	if g.fn.Raw {
		c.Method, c.Path, c.Query, c.Header, c.Body, c.Length = r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header, r.Body, r.ContentLength
	} else {
		b := make([]byte, max(r.ContentLength, 0))
		if _, err := io.ReadFull(r.Body, b); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.Inputs = b
	}
	if r.ContentLength < 0 || r.ContentLength > 64<<10 {
		http.NewResponseController(w).EnableFullDuplex()
	}
	res, err := g.pool.Invoke(r.Context(), c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	h := w.Header()
	for k, v := range res.Header {
		h[k] = v
	}
	w.WriteHeader(res.Status)
	io.Copy(w, res.Body)
}

// buffers is a pool of copy buffers for the reverse proxy.
type buffers struct{ sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.Pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.Pool.Put(&p) }
