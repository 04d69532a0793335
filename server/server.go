// Package server joins the rooms into a running site: it opens the store,
// makes each room from its configuration, listens, and stops everything in
// order. It is the only room that knows all others, and the place of the
// configuration's defaults, the metrics and the doctor.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"fringe"
	"fringe/auth"
	"fringe/build"
	"fringe/catalogue"
	"fringe/client"
	"fringe/data"
	"fringe/driver/fork"
	"fringe/driver/process"
	"fringe/gateway"
	"fringe/jobs"
	"fringe/notify"
	"fringe/server/front"
	"fringe/site"
	"fringe/store"
)

// defaultLimits are for functions and environments that say nothing.
func defaultLimits() fringe.Limits {
	return fringe.Limits{CPU: 1, Memory: 1 << 30, Pids: 512}
}

// Server is a site that is set up and listens.
type Server struct {
	cfg      Config
	log      *slog.Logger
	lock     *store.Lock
	store    *store.Store
	site     *site.Local
	driver   *process.Driver
	forks    *fork.Server
	data     *data.Data
	jobs     *jobs.Jobs
	gateway  *gateway.Gateway
	listener net.Listener
}

// Run serves a site until ctx ends, then drains and stops it. ready is called
// once with its URL when it takes calls.
func Run(ctx context.Context, cfg Config, ready func(url string)) error {
	s, err := New(ctx, cfg)
	if err != nil {
		return err
	}
	ready(s.URL())
	return s.Serve(ctx)
}

// New sets a site up and binds its address. What fails is undone.
func New(ctx context.Context, cfg Config) (*Server, error) {
	log, err := newLog(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: log}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func newLog(cfg Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fringe.Errorf("server", fringe.Invalid, "the log level %q is not debug, info, warn or error", cfg.LogLevel)
	}
	return slog.New(slog.NewJSONHandler(cfg.Log, &slog.HandlerOptions{Level: level})), nil
}

// open makes the rooms from the ground up.
func (s *Server) open(ctx context.Context) error {
	const op = "server.open"
	dir := s.cfg.Dir
	if err := checkRoots(dir, s.cfg.Roots); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Store, Err: err,
			Message: "the site's directory cannot be made", Cure: "choose another with --dir or FRINGE_DIR"}
	}
	var err error
	if s.lock, err = store.LockDir(dir); err != nil {
		return fringe.E(op, err)
	}
	// The address is bound early: a taken port is told before anything changes.
	if s.listener, err = listen(s.cfg.Listen); err != nil {
		return err
	}
	if s.store, err = store.Open(ctx, store.Config{Path: filepath.Join(dir, "fringe.db"), Group: s.cfg.Group, Log: s.log}); err != nil {
		return fringe.E(op, err)
	}
	if err := s.store.Migrate(ctx, map[string][]store.Migration{"auth": auth.Migrations(), "data": data.Migrations(),
		"jobs": jobs.Migrations(), "catalogue": catalogue.Migrations()}); err != nil {
		return fringe.E(op, err)
	}
	if err := s.join(ctx); err != nil {
		return fringe.E(op, err)
	}
	return writeRecord(dir, s.URL())
}

// join makes the rooms over the open store and hands them to each other.
func (s *Server) join(ctx context.Context) error {
	dir := s.cfg.Dir
	au, err := auth.New(auth.Config{Store: s.store, Log: s.log})
	if err != nil {
		return err
	}
	if err := au.Bootstrap(ctx, dir); err != nil {
		return err
	}
	s.data, err = data.New(data.Config{Store: s.store, Dir: filepath.Join(dir, "data"), Roots: s.cfg.Roots,
		Fetch: data.Fetch{RefusePrivate: !s.cfg.Private}, Quota: s.cfg.QuotaMiB << 20, Log: s.log,
		Maker: func(ctx context.Context, id fringe.CallID) (fringe.CallID, error) { return s.jobs.Maker(ctx, id) }})
	if err != nil {
		return err
	}
	ended := newEnded()
	s.jobs, err = jobs.New(jobs.Config{Store: s.store, Dir: filepath.Join(dir, "logs"), Queue: s.cfg.Queue, PerOwner: s.cfg.PerOwner, Log: s.log, Ended: ended.observe})
	if err != nil {
		return err
	}
	bu, err := build.New(build.Config{Dir: filepath.Join(dir, "environments"), Log: s.log})
	if err != nil {
		return err
	}
	python, err := installPython(dir)
	if err != nil {
		return err
	}
	s.driver, err = process.New(process.Config{StateDir: filepath.Join(dir, "process"), Log: s.log, Spares: 2})
	if err != nil {
		return err
	}
	left, err := s.jobs.Executing(ctx)
	if err != nil {
		return err
	}
	var keep []fringe.InstanceID
	for _, job := range left {
		keep = append(keep, site.InstanceOf(&job))
	}
	if err := s.driver.Sweep(ctx, keep); err != nil {
		return err
	}
	if s.forks, err = fork.New(fork.Config{Driver: s.driver, Dir: filepath.Join(dir, "zygotes"), Python: python, Log: s.log,
		Ready: 4, Zygotes: 8, Idle: 15 * time.Minute}); err != nil {
		return err
	}
	key, err := notify.Key(filepath.Join(dir, "callback.key"))
	if err != nil {
		return err
	}
	sender, err := notify.New(notify.Config{Key: key, Allow: s.cfg.Callbacks})
	if err != nil {
		return err
	}
	ca, err := catalogue.New(catalogue.Config{Store: s.store, Dir: filepath.Join(dir, "functions"), Address: data.AllowedAddress, Private: s.cfg.Private, Log: s.log,
		Derive: func(ctx context.Context, env fringe.EnvironmentName, dir, file string) ([]byte, error) {
			return s.site.Derive(ctx, env, dir, file)
		}})
	if err != nil {
		return err
	}
	s.site, err = site.New(site.Config{Dir: filepath.Join(dir, "scratch"), Python: python, Driver: s.driver, Forks: s.forks, Catalogue: ca, Builder: bu, Data: s.data, Jobs: s.jobs, Notify: sender,
		Log: s.log, CPU: s.cfg.CPU, Memory: s.cfg.MemoryMiB << 20, Shares: s.cfg.Shares, Instances: s.cfg.Instances, Records: s.cfg.Records,
		Wait:     site.Wait{Max: s.cfg.MaxWait, Calls: s.cfg.Waiting, Memory: s.cfg.WaitMiB << 20},
		Defaults: defaultLimits(), Hidden: hidden(dir)})
	if err != nil {
		return err
	}
	m := newMetrics(s.site)
	m.registry.MustRegister(append(house(dir), newZygotes(s.forks), ended.jobs)...)
	surfaces, err := s.surfaces(au, ca, m)
	if err != nil {
		return err
	}
	s.gateway = gateway.New(gateway.Config{Site: s.site, Name: s.cfg.Name, Version: Version(), Auth: au, Catalogue: ca, Data: s.data, Jobs: s.jobs,
		Builder: bu, Metrics: m.handler(), Observe: m.observe, UploadMax: s.cfg.UploadMiB << 20, Surfaces: surfaces, Log: s.log,
		Starts: s.starts, Doctor: func(ctx context.Context) []client.Check { return Doctor(ctx, dir) }})
	return nil
}

// hidden gives the paths that no instance sees: the site's directory and the
// users' homes.
func hidden(dir string) []string {
	all := []string{dir}
	for _, h := range []string{"/root", "/home"} {
		if _, err := os.Stat(h); err == nil {
			all = append(all, h)
		}
	}
	return all
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		return l, nil
	}
	e := &fringe.Error{Op: "server.listen", Kind: fringe.Unavailable, Err: err,
		Message: "cannot listen on " + addr, Cure: "write --listen HOST:PORT; port 0 takes a free one"}
	if errors.Is(err, syscall.EADDRINUSE) {
		e.Message = fmt.Sprintf("the address %s is taken by another program", addr)
		e.Cure = "stop that program, or choose another with --listen; port 0 takes a free one"
	}
	return nil, e
}

// URL says where the site listens.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err == nil && (host == "::" || host == "0.0.0.0" || strings.HasPrefix(host, "[::]")) {
		return "http://127.0.0.1:" + port
	}
	return "http://" + s.listener.Addr().String()
}

// Serve takes calls until ctx ends, then refuses new ones, lets running ones
// end for as long as the configuration says, and stops everything.
func (s *Server) Serve(ctx context.Context) error {
	defer s.close()
	h := front.New(&http.Server{Handler: s.gateway, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)})
	poolCtx, stopPool := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPool()
	all, ended := errgroup.WithContext(ctx)
	all.Go(func() error { return s.site.Run(poolCtx) })
	all.Go(func() error { return s.driver.Run(poolCtx) })
	all.Go(func() error { return s.forks.Run(poolCtx) })
	all.Go(func() error { s.sweep(ended); return nil })
	all.Go(func() error {
		if err := h.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fringe.E("server.Serve", err)
		}
		return nil
	})
	s.gateway.Ready(true)
	s.log.Info("ready", "url", s.URL(), "dir", s.cfg.Dir)
	<-ended.Done()
	s.log.Info("draining", "wait", s.cfg.Drain)
	s.gateway.Ready(false)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
	defer cancel()
	if err := s.site.Drain(drain); err != nil {
		s.log.Warn("calls were stopped", "err", err)
	}
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancelLast()
	if err := h.Shutdown(last); err != nil {
		h.Close()
	}
	stopPool()
	return all.Wait()
}

// sweep removes the data that a crash of a former run left without a record.
func (s *Server) sweep(ctx context.Context) {
	err := s.data.Sweep(ctx, func(id fringe.CallID) bool {
		j, err := s.jobs.Get(ctx, id)
		return err == nil && !j.Phase.Final() || err != nil && fringe.KindOf(err) != fringe.NotFound
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("leftovers of a former run not removed", "err", err)
	}
}

// close gives back what open took.
func (s *Server) close() {
	if s.listener != nil {
		s.listener.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Error("store not closed", "err", err)
		}
	}
	if s.lock != nil {
		os.Remove(filepath.Join(s.cfg.Dir, recordFile))
		s.lock.Unlock()
	}
}
