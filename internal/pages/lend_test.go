package pages_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"strikevote/internal/pages"
	"strikevote/internal/protocol/suite"
)

// TestLent sends one document to a crowd: it is read once while anybody is being sent it.
func TestLent(t *testing.T) {
	t.Parallel()
	w := newWorld(t).sampled()
	counted := &counting{Source: (*source)(w)}
	w.site.Content = func(context.Context, suite.ElectionID) (pages.Source, error) { return counted, nil }
	w.handler = w.site.Handler()
	var hash suite.Hash
	for hash = range w.attached {
	}
	const crowd = 5
	reading, done := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() {
			slow := &slowWriter{httptest.NewRecorder(), reading, done}
			w.handler.ServeHTTP(slow, httptest.NewRequest("GET", "/e/"+w.manifest.ElectionID.String()+"/content/files/"+hash.String(), nil))
			if slow.Code != 200 || slow.Body.String() != string(w.attached[hash]) {
				t.Errorf("got %d, %q", slow.Code, slow.Body)
			}
		})
	}
	for range crowd {
		<-reading
	}
	runtime.GC()
	close(done)
	all.Wait()
	if n := counted.documents.Load(); n != 1 {
		t.Errorf("it was read %d times", n)
	}
	if resp := w.get("content/files/" + suite.Hash{9}.String()); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a document that is not there: %d", resp.StatusCode)
	}
	for _, number := range []string{"0", "01", "2147483648", "9223372036854775808"} {
		if resp := w.get("content/" + number); resp.StatusCode != http.StatusNotFound {
			t.Errorf("edition %s: %d", number, resp.StatusCode)
		}
	}
}

type counting struct {
	pages.Source
	documents atomic.Int32
}

func (c *counting) Document(ctx context.Context, hash suite.Hash) ([]byte, error) {
	if hash != (suite.Hash{9}) {
		c.documents.Add(1)
	}
	return c.Source.Document(ctx, hash)
}

// A slowWriter takes nothing before it is allowed to.
type slowWriter struct {
	*httptest.ResponseRecorder
	reading, done chan struct{}
}

func (w *slowWriter) Write(b []byte) (int, error) {
	w.reading <- struct{}{}
	<-w.done
	return w.ResponseRecorder.Write(b)
}
