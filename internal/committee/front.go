package committee

import (
	"net/http"

	"strikevote/internal/platform/web"
)

// front is what a browser is shown at the console's addresses: whoever is given one for a
// program opens it, and would find an error that is none.
var front = web.NewBlob("text/html; charset=utf-8", []byte(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>For the committee and the tellers</title></head>
<body>
<main>
<h1>For the committee and the tellers</h1>
<p>This address is given to a program. There is nothing to see or to do here in a browser.</p>
<p>If you are in the committee, sign on your own computer, with this address in place of URL:</p>
<pre>strikevote committee sign -key YOUR-KEY-FILE URL</pre>
<p>If you are a teller, give your whole invitation, in quotes, to your program:</p>
<pre>strikevote teller init -key YOUR-KEY-FILE 'INVITATION'</pre>
<p>To vote, open the link in your mail. It does not lead here.</p>
</main>
</body>
</html>
`))

// getFront answers with it, whatever the address is of: it says nothing of any election.
func getFront(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	front.Write(w, r)
}
