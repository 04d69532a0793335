package site

import (
	"sync"

	"fringe"
	"fringe/jobs"
)

// callLog keeps what a service writes during one call. The file is made when
// something is written: most calls write nothing.
type callLog struct {
	jobs *jobs.Jobs
	id   fringe.CallID

	mu  sync.Mutex // guards log
	log *jobs.Log
}

// Write implements io.Writer.
func (c *callLog) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log == nil {
		log, err := c.jobs.OpenLog(c.id)
		if err != nil {
			return 0, err
		}
		c.log = log
	}
	return c.log.Stderr().Write(p)
}

// Close ends the log.
func (c *callLog) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log == nil {
		return nil
	}
	return c.log.Close()
}
