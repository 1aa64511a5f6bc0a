package scripted

import (
	"fmt"
	"strings"
)

// Nearest returns the word among known that word is most likely a misspelling
// of, whatever its case; ok is false if none is near. The first of equally near
// words wins.
func Nearest(word string, known []string) (nearest string, ok bool) {
	best := len(word)/3 + 1 // one more than the edits a misspelling may have
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < best {
			nearest, best, ok = k, d, true
		}
	}
	return nearest, ok
}

// suggest returns the end of a message about a word that is not known.
func suggest[S ~string](word string, known []S) string {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	if k, ok := Nearest(word, names); ok {
		return fmt.Sprintf(" (did you mean %q?)", k)
	}
	return fmt.Sprintf(" (known: %s)", strings.Join(names, ", "))
}

// distance counts the edits between a and b: insertions, deletions,
// replacements and swaps of neighbours (optimal string alignment).
func distance(a, b string) int {
	const far = 1 << 30
	if len(a) > 64 || len(b) > 64 {
		return far // no word is that long
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
