package uws

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fringe"
	"fringe/jobs"
	"fringe/site"
)

const (
	listed     = 1000 // jobs of a list that says no LAST
	maxRunID   = 64   // bytes, as DALI says
	maxSeconds = 1<<31 - 1
)

// job gives the job of the path; one of another function or, but for
// operators, of another owner is not found.
func (s *Service) job(r *request) (jobs.Job, error) {
	id := fringe.CallID(r.PathValue("id"))
	j, err := s.cfg.Jobs.Get(r.Context(), id)
	p := fringe.PrincipalOf(r.Context())
	if err == nil && (j.Function != r.version.Name || j.Owner != p.Name && !p.Role.Includes(fringe.Operator)) {
		return jobs.Job{}, fringe.Errorf("uws.job", fringe.NotFound, "there is no job %q", id)
	}
	return j, err
}

// list answers with the jobs that the client may see. More than listed, when
// no LAST is said, are cut by a redirection that says it.
func (s *Service) list(r *request) error {
	q := r.URL.Query()
	sel, err := selectionOf(q)
	if err != nil {
		return err
	}
	f := jobs.Filter{Function: r.version.Name, After: sel.after, Phases: sel.filter()}
	if p := fringe.PrincipalOf(r.Context()); !p.Role.Includes(fringe.Operator) {
		f.Owner = p.Name
	}
	most := sel.last
	if most == 0 {
		most = listed
	}
	var found []Summary
	for more := len(sel.phases) == 0 || len(f.Phases) > 0; more && len(found) < most; more = f.Cursor != "" {
		f.Limit = min(most-len(found), listed)
		page, next, err := s.cfg.Jobs.List(r.Context(), f)
		if err != nil {
			return err
		}
		for _, j := range page {
			found = append(found, Summary{ID: string(j.ID), URL: r.jobURL(j.ID), Phase: string(j.Phase), RunID: j.RunID, Owner: j.Owner, Created: j.Submitted})
		}
		f.Cursor = next
	}
	if sel.last == 0 && f.Cursor != "" {
		q.Set("LAST", strconv.Itoa(listed))
		return r.seeOther(r.base + "/async?" + q.Encode())
	}
	return r.document("application/xml", func(w http.ResponseWriter) error { return WriteJobs(w, found) })
}

// filter gives the phases to look for; jobs are never UNKNOWN.
func (s *selection) filter() []jobs.Phase {
	if len(s.phases) == 0 {
		return slices.DeleteFunc(jobs.Phases(), func(p jobs.Phase) bool { return p == jobs.Archived })
	}
	return slices.DeleteFunc(slices.Clone(s.phases), func(p jobs.Phase) bool { return p == unknown })
}

// show answers with a job; with WAIT not before its phase changes.
func (s *Service) show(r *request) error {
	wait, only, err := waitOf(r.URL.Query())
	if err != nil {
		return err
	}
	j, err := s.job(r)
	if err != nil {
		return err
	}
	if active := j.Phase == jobs.Pending || j.Phase == jobs.Queued || j.Phase == jobs.Executing; active && wait > 0 && (only == "" || only == j.Phase) {
		if j, err = s.await(r.Context(), j.ID, j.Phase, wait); err != nil {
			return err
		}
	}
	doc, err := s.documentOf(r, &j)
	if err != nil {
		return err
	}
	return r.document("application/xml", func(w http.ResponseWriter) error { return doc.Write(w) })
}

// create makes a job, PENDING or, with PHASE=RUN, run at once.
func (s *Service) create(r *request) error {
	id, err := s.submit(r, false)
	if err != nil {
		return rejected{err}
	}
	return r.seeOther(r.jobURL(id))
}

// submit makes a job of a request, and runs it when run is set or the request
// says so.
func (s *Service) submit(r *request, run bool) (id fringe.CallID, err error) {
	id = newID()
	defer func() {
		if err != nil {
			s.forget(r.Context(), id)
		}
	}()
	if run { // else it may wait for its owner, where there is always a place
		if err := s.cfg.Jobs.Room(r.Context()); err != nil {
			http.NewResponseController(r.w).EnableFullDuplex() // else the answer would wait for the body
			r.w.Header().Set("Connection", "close")            // with what is left of it
			return id, err
		}
	}
	f, err := s.readForm(r.w, r.Request, id)
	if err != nil {
		return id, err
	}
	o := site.Options{Hold: true, Destruction: time.Now().Add(kept).UTC().Truncate(time.Millisecond)}
	asked, err := f.controls(r, &o)
	if err != nil {
		return id, err
	}
	inputs, err := f.typed(r.version)
	if err != nil {
		return id, err
	}
	if _, err := s.cfg.Site.Submit(r.Context(), site.Request{ID: id, Version: r.version, Inputs: inputs}, o); err != nil {
		return id, err
	}
	if run || asked {
		if err := s.run(r, id); err != nil {
			return id, s.withdraw(r, id, err)
		}
	}
	return id, nil
}

// controls takes the words that steer the job out of the form, save those that
// the function has inputs of the same name for.
func (f *form) controls(r *request, o *site.Options) (run bool, err error) {
	const op = "uws.controls"
	take := func(word string) string {
		if inputOf(r.version, word) != nil {
			return ""
		}
		text, _ := f.control(word)
		return text
	}
	switch phase := take("PHASE"); phase {
	case "", "PENDING":
	case "RUN":
		run = true
	default:
		return false, fringe.Errorf(op, fringe.Invalid, "PHASE is %.40q; RUN is expected", phase)
	}
	if o.RunID = take("RUNID"); len(o.RunID) > maxRunID {
		return false, fringe.Errorf(op, fringe.Invalid, "RUNID is %d bytes long; at most %d are allowed", len(o.RunID), maxRunID)
	}
	if text := take("EXECUTIONDURATION"); text != "" {
		if o.Duration, err = parseDuration(text); err != nil {
			return false, err
		}
	}
	if text := take("DESTRUCTION"); text != "" {
		if o.Destruction, err = parseDestruction(text); err != nil {
			return false, err
		}
	}
	return run, nil
}

func parseDuration(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return 0, fringe.Errorf("uws.parseDuration", fringe.Invalid, "EXECUTIONDURATION is %.40q; a whole number of seconds is expected, 0 for no bound", text)
	}
	return time.Duration(min(n, maxSeconds)) * time.Second, nil
}

// parseDestruction reads a time; an empty one is never.
func parseDestruction(text string) (time.Time, error) {
	if strings.TrimSpace(text) == "" {
		return time.Time{}, nil
	}
	t, err := parseInstant(text)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}, fringe.Errorf("uws.parseDestruction", fringe.Invalid, "DESTRUCTION is %.40q; a time such as 2026-01-02T03:04:05Z is expected", text)
	}
	return t, nil
}

// act deletes the job; DALI lets nothing else be posted to a job itself.
func (s *Service) act(r *request) error {
	f, err := s.controlForm(r)
	if err != nil {
		return err
	}
	action, there := f.control("ACTION")
	if !there || action != "DELETE" || len(f.texts) > 0 {
		return &fringe.Error{Op: "uws.act", Kind: fringe.Invalid, Message: "only ACTION=DELETE is posted to a job itself",
			Cure: "post parameters to …/parameters and PHASE to …/phase"}
	}
	return s.remove(r)
}

// controlForm reads a form in which no files are expected.
func (s *Service) controlForm(r *request) (*form, error) {
	if _, err := s.job(r); err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil, &fringe.Error{Op: "uws.controlForm", Kind: fringe.Invalid, Message: "a multipart form is not taken here",
			Cure: "send application/x-www-form-urlencoded"}
	}
	return s.readForm(r.w, r.Request, "")
}

// one reads a form that has the word, and gives its value and the job.
func (s *Service) one(r *request, word string) (string, jobs.Job, error) {
	f, err := s.controlForm(r)
	if err != nil {
		return "", jobs.Job{}, err
	}
	text, there := f.control(word)
	if !there {
		return "", jobs.Job{}, fringe.Errorf("uws.one", fringe.Invalid, "the form has no %s", word)
	}
	j, err := s.job(r)
	return text, j, err
}

func (s *Service) setPhase(r *request) error {
	text, j, err := s.one(r, "PHASE")
	if err != nil {
		return err
	}
	switch text {
	case "RUN":
		err = s.run(r, j.ID)
	case "ABORT":
		err = s.abort(r.Context(), j.ID)
	default:
		err = fringe.Errorf("uws.setPhase", fringe.Invalid, "PHASE is %.40q; RUN or ABORT is expected", text)
	}
	if err != nil {
		return err
	}
	return r.seeOther(r.jobURL(j.ID))
}

func (s *Service) setDuration(r *request) error {
	text, j, err := s.one(r, "EXECUTIONDURATION")
	if err != nil {
		return err
	}
	d, err := parseDuration(text)
	if err == nil {
		err = s.cfg.Jobs.SetDuration(r.Context(), j.ID, d)
	}
	if err != nil {
		return err
	}
	return r.seeOther(r.jobURL(j.ID))
}

func (s *Service) setDestruction(r *request) error {
	text, j, err := s.one(r, "DESTRUCTION")
	if err != nil {
		return err
	}
	t, err := parseDestruction(text)
	if err == nil {
		err = s.cfg.Jobs.SetDestruction(r.Context(), j.ID, t)
	}
	if err != nil {
		return err
	}
	return r.seeOther(r.jobURL(j.ID))
}

// text makes a handler that answers with one word of a job.
func (s *Service) text(of func(*jobs.Job) string) func(*request) error {
	return func(r *request) error {
		j, err := s.job(r)
		if err != nil {
			return err
		}
		return r.plain(of(&j))
	}
}

func phaseText(j *jobs.Job) string       { return string(j.Phase) }
func durationText(j *jobs.Job) string    { return strconv.FormatInt(seconds(j.Duration), 10) }
func destructionText(j *jobs.Job) string { return instant(j.Destruction) }
func ownerText(j *jobs.Job) string       { return j.Owner }

func (s *Service) quoteText(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	q, err := s.quote(r.Context(), &j)
	if err != nil {
		return err
	}
	return r.plain(instant(q))
}

// errorText answers with why a job failed and the end of what it wrote; of one
// that has not failed there is no such thing.
func (s *Service) errorText(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	if j.Phase != jobs.Error || j.Err == nil {
		return fringe.Errorf("uws.errorText", fringe.NotFound, "the job %s has no error: it is %s", j.ID, j.Phase)
	}
	text := j.Err.Message + "\n"
	if j.Err.Cure != "" {
		text += j.Err.Cure + "\n"
	}
	for _, stream := range []jobs.Stream{jobs.Stdout, jobs.Stderr} {
		if tail := s.cfg.Jobs.Tail(j.ID, stream, 64<<10); tail != "" {
			text += "\n" + string(stream) + ":\n" + tail + "\n"
		}
	}
	return r.plain(text)
}

func (s *Service) remove(r *request) error {
	j, err := s.job(r)
	if err != nil {
		return err
	}
	if err := s.destroy(r.Context(), j.ID); err != nil {
		return err
	}
	return r.seeOther(r.base + "/async")
}

// escape writes a name as one part of a path.
func escape(name string) string { return url.PathEscape(name) }
