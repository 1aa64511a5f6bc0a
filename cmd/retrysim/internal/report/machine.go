package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// compact returns v as JSON without spaces, its text as it is.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// CSV returns the records as RFC 4180 has it, but for its line ends, which are
// those of Unix.
func (d *Document) CSV() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(append([][]string{d.Records.Header}, d.Records.Rows...)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// JSONL returns the events, or else the records as an object a line: numbers
// as numbers, absent values as null.
func (d *Document) JSONL() ([]byte, error) {
	if d.Lines != nil {
		return d.Lines, nil
	}
	var b bytes.Buffer
	for _, row := range d.Records.Rows {
		b.WriteByte('{')
		for i, cell := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			key, err := compact(d.Records.Header[i])
			if err != nil {
				return nil, err
			}
			value, err := cellJSON(cell)
			if err != nil {
				return nil, err
			}
			b.Write(key)
			b.WriteByte(':')
			b.Write(value)
		}
		b.WriteString("}\n")
	}
	return b.Bytes(), nil
}

func cellJSON(cell string) ([]byte, error) {
	if cell == "" {
		return []byte("null"), nil
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil && json.Valid([]byte(cell)) {
		return []byte(cell), nil
	}
	return compact(cell)
}

// Nanoseconds writes a duration for a record.
func Nanoseconds(d time.Duration) string { return strconv.FormatInt(int64(d), 10) }

// Ratio writes a ratio for a record.
func Ratio(r float64) string { return strconv.FormatFloat(r, 'g', -1, 64) }

// replaceLast replaces the last occurrence of from.
func replaceLast(s, from, to string) string {
	if i := strings.LastIndex(s, from); i >= 0 {
		return s[:i] + to + s[i+len(from):]
	}
	return s
}
