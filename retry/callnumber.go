package retry

import "context"

// CallNumber returns the number that [WithCall] gave the context's call. A
// test double sees by it which of its requests belong together.
func CallNumber(ctx context.Context) (number uint64, given bool) {
	p := callOf(ctx)
	return p.number, p.numbered
}
