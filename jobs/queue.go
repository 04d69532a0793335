package jobs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fringe"
	"fringe/store"
)

// headLength bounds the waiting jobs of one group that memory holds.
const headLength = 32

// group is whose jobs wait in one line: those of one function, of one
// principal, of one namespace.
type group struct {
	namespace, owner string
	function         fringe.FunctionName
}

// line is the queue of one group: its length, and its head as it was last read.
type line struct {
	length int
	stale  bool // the head may have changed
	head   []Waiting
}

// queue counts what waits and remembers the heads.
type queue struct {
	most, perOwner int
	wake           chan struct{} // gets a token when something may be startable

	mu     sync.Mutex // guards all below
	total  int
	owners map[string]int
	lines  map[group]*line
}

func newQueue(most, perOwner int) *queue {
	return &queue{most: most, perOwner: perOwner, wake: make(chan struct{}, 1), owners: map[string]int{}, lines: map[group]*line{}}
}

// reserve counts one more in, or fails with Busy when there is no place.
func (q *queue) reserve(op string, g group) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.roomLocked(op, g.owner); err != nil {
		return err
	}
	q.addLocked(g)
	return nil
}

// roomLocked fails with Busy when there is no place for one more.
func (q *queue) roomLocked(op, owner string) error {
	busy := func(format string, args ...any) error {
		return &fringe.Error{Op: op, Kind: fringe.Busy, Component: fringe.Engine, Message: fmt.Sprintf(format, args...),
			Cure: "send the same call again after the time in Retry-After", RetryAfter: time.Second}
	}
	if q.most > 0 && q.total >= q.most {
		return busy("the site is full: %d jobs wait", q.total)
	}
	if q.perOwner > 0 && q.owners[owner] >= q.perOwner {
		return busy("%d of your jobs wait already", q.owners[owner])
	}
	return nil
}

func (q *queue) addLocked(g group) {
	q.total++
	q.owners[g.owner]++
	l := q.lines[g]
	if l == nil {
		l = &line{}
		q.lines[g] = l
	}
	l.length++
}

// enter counts an accepted job in that waits again; nothing refuses it.
func (q *queue) enter(g group) {
	q.mu.Lock()
	q.addLocked(g)
	q.mu.Unlock()
	q.changed(g)
}

// leave counts one out; seq is 0 when it was never in the store.
func (q *queue) leave(g group, seq int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[g]
	if l == nil {
		return
	}
	q.total--
	if q.owners[g.owner]--; q.owners[g.owner] <= 0 {
		delete(q.owners, g.owner)
	}
	if l.length--; l.length <= 0 {
		delete(q.lines, g)
		return
	}
	for i, w := range l.head {
		if w.Seq == seq {
			l.head = append(l.head[:i:i], l.head[i+1:]...)
			l.stale = l.stale || len(l.head) == 0
			return
		}
	}
}

// changed says that a line may have another head.
func (q *queue) changed(g group) {
	q.mu.Lock()
	if l := q.lines[g]; l != nil {
		l.stale = true
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Waiting is a queued job as far as choosing needs.
type Waiting struct {
	ID          fringe.CallID
	Seq         int64
	Namespace   string
	Owner       string
	Function    fringe.FunctionName
	Environment fringe.EnvironmentName
	Priority    int
	CPU         float64
	Memory      int64
	AtOnce      int       // attempts of its function at once; 0: any number
	Since       time.Time // when it came into the queue
}

// Wake gets a token when a job may have become startable.
func (j *Jobs) Wake() <-chan struct{} { return j.queue.wake }

// QueuedCount tells how many jobs wait.
func (j *Jobs) QueuedCount() int {
	j.queue.mu.Lock()
	defer j.queue.mu.Unlock()
	return j.queue.total
}

// Room says whether a job of the principal would find a place in the queue now;
// else the error is Busy, as of Submit.
func (j *Jobs) Room(ctx context.Context) error {
	j.queue.mu.Lock()
	defer j.queue.mu.Unlock()
	return j.queue.roomLocked("jobs.Room", fringe.PrincipalOf(ctx).Name)
}

// countQueued counts what waits in the store.
func (j *Jobs) countQueued() error {
	return j.store.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT namespace, owner, function, count(*) FROM jobs WHERE phase = 'QUEUED' AND ready < 9223372036854775807 GROUP BY 2, 3, 1
			UNION ALL SELECT namespace, owner, function, count(*) FROM jobs WHERE phase = 'QUEUED' AND ready = 9223372036854775807 GROUP BY 1, 2, 3`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var g group
			var function string
			var n int
			if err := rows.Scan(&g.namespace, &g.owner, &function, &n); err != nil {
				return err
			}
			g.function = fringe.FunctionName(function)
			l := j.queue.lines[g]
			if l == nil {
				l = &line{stale: true}
				j.queue.lines[g] = l
			}
			l.length += n
			j.queue.total += n
			j.queue.owners[g.owner] += n
		}
		return rows.Err()
	})
}

// refresh makes every line be read again: the time of jobs that are tried
// again may have come.
func (q *queue) refresh() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lines {
		l.stale = true
	}
}

// Heads gives the jobs that are next in each line, the foremost first. A job
// whose time has not come is not among them, nor one that waits for another
// which makes the same products.
func (j *Jobs) Heads(ctx context.Context) ([]Waiting, error) {
	const op = "jobs.Heads"
	j.queue.mu.Lock()
	var stale []group
	for g, l := range j.queue.lines {
		if l.stale {
			l.stale = false // what changes from here on makes it stale again
			stale = append(stale, g)
		}
	}
	j.queue.mu.Unlock()
	now := j.now().UnixNano()
	err := j.store.View(ctx, func(tx *store.Tx) error {
		for i, g := range stale {
			head, err := headTx(tx, g, now)
			if err != nil {
				for _, g := range stale[i:] {
					j.queue.changed(g)
				}
				return err
			}
			j.queue.mu.Lock()
			if l := j.queue.lines[g]; l != nil {
				l.head = head
			}
			j.queue.mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return nil, fringe.E(op, err)
	}
	j.queue.mu.Lock()
	defer j.queue.mu.Unlock()
	var all []Waiting
	for _, l := range j.queue.lines {
		all = append(all, l.head...)
	}
	return all, nil
}

func headTx(tx *store.Tx, g group, now int64) ([]Waiting, error) {
	rows, err := tx.Query(`SELECT id, seq, environment, priority, cpu, memory, COALESCE(json_extract(terms, '$.policy.atOnce'), 0), COALESCE(queued, submitted)
		FROM jobs WHERE phase = 'QUEUED' AND ready < 9223372036854775807 AND owner = ? AND function = ? AND namespace = ? AND ready <= ?
		ORDER BY priority DESC, seq LIMIT ?`, g.owner, string(g.function), g.namespace, now, headLength)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var head []Waiting
	for rows.Next() {
		w := Waiting{Namespace: g.namespace, Owner: g.owner, Function: g.function}
		var id, environment string
		var since int64
		if err := rows.Scan(&id, &w.Seq, &environment, &w.Priority, &w.CPU, &w.Memory, &w.AtOnce, &since); err != nil {
			return nil, err
		}
		w.ID, w.Environment, w.Since = fringe.CallID(id), fringe.EnvironmentName(environment), moment(since)
		head = append(head, w)
	}
	return head, rows.Err()
}
