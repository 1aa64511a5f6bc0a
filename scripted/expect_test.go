package scripted_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/scripted"
)

func TestCompare(t *testing.T) {
	for op, want := range map[scripted.Op][4]bool{ // of 1, 2, 3 and 4, compared with 2 or 2..3
		scripted.Equal:          {false, true, false, false},
		scripted.NotEqual:       {true, false, true, true},
		scripted.Less:           {true, false, false, false},
		scripted.LessOrEqual:    {true, true, false, false},
		scripted.Greater:        {false, false, true, true},
		scripted.GreaterOrEqual: {false, true, true, true},
		scripted.In:             {false, true, true, false},
	} {
		e := scripted.Expect{Op: op, Number: 2, High: 3}
		for i, w := range want {
			assert.Equal(t, w, e.Compare(int64(i+1)), "%d %s", i+1, op)
		}
	}
	assert.Panics(t, func() { scripted.Expect{Op: scripted.Contains}.Compare(1) })
}

func TestSyntaxErrorsUnwrap(t *testing.T) {
	_, err := scripted.Parse("x", "what\nwhy")
	var e *scripted.SyntaxError
	assert.True(t, errors.As(err, &e))
	assert.Equal(t, int32(1), e.Pos.Line)
	p, err := scripted.ParsePolicy("p", "off")
	assert.NoError(t, err)
	assert.Zero(t, p)
}
