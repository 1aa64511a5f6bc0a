package fakeclock

import (
	"context"
	"strings"
	"time"
)

type scheduler struct {
	cur     *proc
	failure *Report
}
type proc struct {
	owner *owner
	sel   selection
}

func (s *scheduler) fail(r *Report)           {}
func (s *scheduler) resume(p *proc)           {}
func (s *scheduler) spawnFunc(ev *event)      {}
func (s *scheduler) contextEnded(c *vcontext) {}
func (s *scheduler) dump(b *strings.Builder)  {}
func (e *engine) resumeWaiter(t *timer)       {}
func (e *engine) runSleep(o *owner, d time.Duration, c *vcontext) {
}
func (e *engine) runChan(t *timer) {}
func (c *Clock) runSleepContext(ctx context.Context, d time.Duration) error {
	return nil
}
