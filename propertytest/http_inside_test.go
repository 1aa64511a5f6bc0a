package propertytest

import "time"

// LosePatience is for calls that hang on purpose. What it returns undoes it.
func LosePatience() (undo func()) {
	was := httpPatience
	httpPatience = 50 * time.Millisecond
	return func() { httpPatience = was }
}
