package simulate

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/simulate/fleet"
)

// recordColumns are the columns of a recording. Only the time is required.
var recordColumns = []string{"time_ns", "session", "tokens_in", "tokens_out", "latency_ns", "status"}

// ReadRecording reads what a service has seen: CSV with a header, or JSON lines
// if the name ends in .jsonl, with the columns
//
//	time_ns      when the call began; the first one's is the start of the run
//	session      any text: calls of one conversation, whose next call waits for
//	             the end of the last; calls without one are alone
//	tokens_in    integers
//	tokens_out
//	latency_ns   how long the call took
//	status       200 to 299 for a call that was answered; anything else for one
//	             that was not
//
// Only time_ns is required. What is left out or empty is 0, and a call without a
// status was answered. Numbers are whole and not negative, and the calls must be
// in the order of their times. An error names the file and the line.
func ReadRecording(name string, r io.Reader) ([]fleet.Record, error) {
	read := readCSV
	if strings.HasSuffix(name, ".jsonl") {
		read = readJSONLines
	}
	sessions := make(map[string]int)
	var out []fleet.Record
	var first, last int64
	err := read(name, r, func(line int, row map[string]string) error {
		rec, session, err := record(row)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if len(out) == 0 {
			first = int64(rec.At)
		} else if int64(rec.At) < last {
			return fmt.Errorf("%s:%d: time_ns %d comes after %d: sort the recording by time", name, line, int64(rec.At), last)
		}
		last = int64(rec.At)
		rec.At -= time.Duration(first)
		if session == "" {
			rec.Session = len(sessions)
			sessions[fmt.Sprintf("\x00%d", line)] = rec.Session
		} else if n, ok := sessions[session]; ok {
			rec.Session = n
		} else {
			rec.Session = len(sessions)
			sessions[session] = rec.Session
		}
		out = append(out, rec)
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s: the recording has no calls", name)
	}
	return out, err
}

// record reads one row.
func record(row map[string]string) (rec fleet.Record, session string, err error) {
	var at, latency, status int64
	for _, f := range []struct {
		name string
		to   *int64
	}{{"time_ns", &at}, {"tokens_in", &rec.In}, {"tokens_out", &rec.Out}, {"latency_ns", &latency}, {"status", &status}} {
		text := row[f.name]
		if text == "" {
			continue
		}
		if *f.to, err = strconv.ParseInt(text, 10, 64); err != nil || *f.to < 0 {
			return rec, "", fmt.Errorf("%s is %q: want a whole number, not negative", f.name, text)
		}
	}
	if row["time_ns"] == "" {
		return rec, "", errors.New("there is no time_ns")
	}
	rec.At, rec.Latency = time.Duration(at), time.Duration(latency)
	rec.Answered = row["status"] == "" || status/100 == 2
	return rec, row["session"], nil
}

func readCSV(name string, r io.Reader, each func(line int, row map[string]string) error) error {
	in := csv.NewReader(r)
	header, err := in.Read()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, h := range header {
		if !slices.Contains(recordColumns, h) {
			return fmt.Errorf("%s:1: unknown column %q (known: %s)", name, h, strings.Join(recordColumns, ", "))
		}
	}
	for {
		fields, err := in.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err) // which says the line
		}
		row := make(map[string]string)
		for i, h := range header {
			row[h] = fields[i]
		}
		line, _ := in.FieldPos(0)
		if err := each(line, row); err != nil {
			return err
		}
	}
}

func readJSONLines(name string, r io.Reader, each func(line int, row map[string]string) error) error {
	in := bufio.NewScanner(r)
	line := 1
	for ; in.Scan(); line++ {
		if strings.TrimSpace(in.Text()) == "" {
			continue
		}
		d := json.NewDecoder(strings.NewReader(in.Text()))
		d.UseNumber()
		var values map[string]any
		if err := d.Decode(&values); err != nil {
			return fmt.Errorf("%s:%d: no JSON object: %w", name, line, err)
		}
		row := make(map[string]string)
		for _, k := range slices.Sorted(maps.Keys(values)) {
			if !slices.Contains(recordColumns, k) {
				return fmt.Errorf("%s:%d: unknown name %q (known: %s)", name, line, k, strings.Join(recordColumns, ", "))
			}
			row[k] = fmt.Sprint(values[k])
		}
		if err := each(line, row); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, line, err)
	}
	return nil
}
