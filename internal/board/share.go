package board

import (
	"bytes"
	"sync"
)

// answers let requests for one path that are answered at one time hold its bytes
// once. Somebody who asks for the largest file on each of a thousand connections, and
// reads a byte a second, would otherwise make this process hold it a thousand times
// until their time is up. What all of them can hold is the record once.
type answers struct {
	mu   sync.Mutex
	held map[string]*held // guarded by mu
}

type held struct {
	body    []byte
	readers int
}

// share returns the bytes that others hold of a path, if they are the same, and
// takes note of a reader more until done is called.
func (a *answers) share(path string, body []byte) (same []byte, done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.held[path]
	if h == nil || !bytes.Equal(h.body, body) {
		// What changed meanwhile, as a checkpoint does, is held beside the old one.
		h = &held{body: body}
		if a.held == nil {
			a.held = make(map[string]*held)
		}
		a.held[path] = h
	}
	h.readers++
	return h.body, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if h.readers--; h.readers == 0 && a.held[path] == h {
			delete(a.held, path)
		}
	}
}
