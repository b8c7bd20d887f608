package ballotbox

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// A pool does work for many callers at once in groups: whoever comes while its
// workers are busy is taken along by the next. Nobody waits for a group to
// fill, so that an idle box answers as fast as if there were none, and a busy
// one gets cheaper by the ballot: one look-up, one proof check, one commit for
// all that wait. It has no goroutine while nothing is to do.
type pool[T, R any] struct {
	workers int // goroutines at most
	largest int // members of a group at most
	limit   int // callers at most, waiting or being served
	// do returns one result for each argument. Nothing cancels it.
	do func(ctx context.Context, args []T) ([]R, error)

	mu      sync.Mutex
	queue   []*call[T, R] // guarded by mu
	running int           // workers; guarded by mu
	inside  int           // callers; guarded by mu
}

// A call is one caller's argument and, once done is closed, its result.
type call[T, R any] struct {
	ctx    context.Context
	arg    T
	done   chan struct{}
	result R
	err    error
}

// call waits for the result of an argument. It returns [ErrBusy] at once if too
// many wait, and the context's error if that ends first; the work may be done
// all the same.
func (p *pool[T, R]) call(ctx context.Context, arg T) (R, error) {
	c := &call[T, R]{ctx: ctx, arg: arg, done: make(chan struct{})}
	if !p.enter(c) {
		return c.result, ErrBusy
	}
	select {
	case <-c.done:
		return c.result, c.err
	case <-ctx.Done():
		var none R
		return none, ctx.Err()
	}
}

func (p *pool[T, R]) enter(c *call[T, R]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inside >= p.limit {
		return false
	}
	p.inside++
	p.queue = append(p.queue, c)
	if p.running < p.workers {
		p.running++
		go p.work()
	}
	return true
}

// work serves groups until nobody waits.
func (p *pool[T, R]) work() {
	for {
		group := p.take()
		if group == nil {
			return
		}
		args := make([]T, len(group))
		for i, c := range group {
			args[i] = c.arg
		}
		results, err := p.try(args)
		for i, c := range group {
			if c.err = err; err == nil {
				c.result = results[i]
			}
			close(c.done)
		}
		p.leave(len(group))
	}
}

// take returns the next group, its fair part of the queue, or nil when the
// queue is empty and the worker ends. Callers that went away are left out.
func (p *pool[T, R]) take() []*call[T, R] {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 {
		n := min(p.largest, (len(p.queue)+p.workers-1)/p.workers)
		group := make([]*call[T, R], 0, n)
		for _, c := range p.queue[:n] {
			if c.ctx.Err() != nil {
				p.inside--
				continue
			}
			group = append(group, c)
		}
		clear(p.queue[:n]) // not to hold what is done
		p.queue = p.queue[n:]
		if len(group) > 0 {
			return group
		}
	}
	p.queue = nil
	p.running--
	return nil
}

func (p *pool[T, R]) leave(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside -= n
}

// try calls do. A panic, which only a fault in the program causes, must not end
// the process and all elections with it.
func (p *pool[T, R]) try(args []T) (results []R, err error) {
	defer func() {
		if v := recover(); v != nil {
			// The value may hold anything; the stack holds no arguments.
			err = fmt.Errorf("panic: %T at %s", v, debug.Stack())
		}
	}()
	results, err = p.do(context.Background(), args)
	if err == nil && len(results) != len(args) {
		err = fmt.Errorf("%d results for %d", len(results), len(args))
	}
	return results, err
}
