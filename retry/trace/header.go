package trace

import (
	"maps"
	"slices"
	"strings"
)

// HeaderNames returns the names of the header fields that a trace keeps unless
// it is told others: those by which a server says how long to wait, what is
// left of its limits and which request it was, and those by which a client says
// which attempt it believes this is and what it sends and accepts. A name that
// ends in * stands for all that begin so.
func HeaderNames() []string {
	return []string{
		"date", "retry-after", "retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after", "x-should-retry",
		"anthropic-ratelimit-*", "ratelimit*", "x-ratelimit-*",
		"request-id", "x-request-id", "apim-request-id", "x-amzn-requestid", "x-amzn-errortype",
		"x-stainless-retry-count", "amz-sdk-request", "retry-attempt",
		"accept", "content-type", "connection",
	}
}

// maxHeaderValue is how much of a header field a trace keeps, in bytes.
const maxHeaderValue = 256

// Header returns what a trace may keep of a header: the fields with one of the
// names, in lower case, several values of one joined by a comma and cut off
// after 256 bytes. nil names are [HeaderNames]. It returns nil if nothing is
// left.
func Header(header map[string][]string, names []string) map[string]string {
	if names == nil {
		names = HeaderNames()
	}
	var kept map[string]string
	for _, key := range slices.Sorted(maps.Keys(header)) {
		name := strings.ToLower(key)
		if !slices.ContainsFunc(names, func(allowed string) bool { return matches(strings.ToLower(allowed), name) }) {
			continue
		}
		if kept == nil {
			kept = make(map[string]string)
		}
		value := strings.Join(header[key], ", ")
		if before, twice := kept[name]; twice { // in another case
			value = before + ", " + value
		}
		kept[name] = strings.ToValidUTF8(value[:min(len(value), maxHeaderValue)], "\uFFFD")
	}
	return kept
}

func matches(allowed, name string) bool {
	if begin, ok := strings.CutSuffix(allowed, "*"); ok {
		return strings.HasPrefix(name, begin)
	}
	return name == allowed
}
