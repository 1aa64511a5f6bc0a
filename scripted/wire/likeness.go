package wire

import (
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// likeness is what all attempts of one call have in common, beside the body.
// Of what may hold a secret, or be made anew for each attempt as signatures are,
// it knows that it is there.
type likeness struct {
	method, path string
	query        []string // its keys, sorted
	fields       []string // the names of the header's, in lower case, sorted
	same         map[string]string
}

// passing are the fields of a header that say something of one attempt alone.
var passing = []string{"connection", "content-length", "cookie", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}

func likenessOf(r *http.Request) likeness {
	l := likeness{method: r.Method, path: r.URL.Path, query: slices.Sorted(maps.Keys(r.URL.Query())), same: make(map[string]string)}
	for name := range r.Header {
		if name = strings.ToLower(name); !slices.Contains(passing, name) {
			l.fields = append(l.fields, name)
		}
	}
	slices.Sort(l.fields)
	for _, name := range []string{"accept", "content-type", "idempotency-key"} {
		value := r.Header.Get(name)
		if media, _, err := mime.ParseMediaType(value); err == nil && name == "content-type" {
			value = media // the boundary of a form is made anew
		}
		if value != "" {
			l.same[name] = value
		}
	}
	return l
}

// differs returns what is another than before: "method", "path", "query", or
// the names of fields that are gone or have another value. What is new is
// welcome, such as a count of retries.
func (l likeness) differs(before likeness) (names []string) {
	for name, differ := range map[string]bool{"method": l.method != before.method, "path": l.path != before.path, "query": !slices.Equal(l.query, before.query)} {
		if differ {
			names = append(names, name)
		}
	}
	for _, name := range before.fields {
		value, ok := l.same[name]
		if !slices.Contains(l.fields, name) || ok && value != before.same[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
