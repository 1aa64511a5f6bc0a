// Package dialect reads retry policies that were written for other systems,
// and writes ours as Go.
//
// [Parse] takes the JSON of a gRPC service config, a Temporal retry policy, an
// AWS Step Functions Retry field or an Envoy retry policy. What such a text
// says of which errors to retry is not part of a [retry.Policy], which decides
// when and not whether; it is listed in [Import.Ignored]. A key that the
// dialect does not have or that stands there twice, a value that has no meaning
// and a text that holds more than one policy are errors that name the key.
package dialect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Import is a policy read from another system's text.
type Import struct {
	Policy retry.Policy
	// Budget is the retry budget that came with it; the zero Budget if none
	// did.
	Budget retry.Budget
	// Ignored lists the keys that were understood and have no place in a
	// policy, in alphabetical order.
	Ignored []string
}

// parsers maps the name of a dialect to its parser.
var parsers = map[string]func([]byte) (Import, error){
	"grpc":          parseGRPC,
	"temporal":      parseTemporal,
	"stepfunctions": parseStepFunctions,
	"envoy":         parseEnvoy,
}

// Names returns the names of the dialects, in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(parsers)) }

// Parse reads a policy in the dialect of that name, one of [Names]. On an error,
// which names the key and what it wants, the import is zero; a policy that is
// returned is valid.
func Parse(name string, text []byte) (Import, error) {
	parse, ok := parsers[name]
	if !ok {
		return Import{}, fmt.Errorf("dialect: unknown dialect %q (known: %s)", name, strings.Join(Names(), ", "))
	}
	if string(bytes.TrimSpace(text)) == "null" {
		return Import{}, fmt.Errorf("dialect: %s: null is no policy", name)
	}
	in, err := parse(text)
	if err == nil {
		err = in.Policy.Validate()
	}
	if err != nil {
		return Import{}, fmt.Errorf("dialect: %s: %w", name, err)
	}
	slices.Sort(in.Ignored)
	return in, nil
}

// strict decodes JSON into v, a pointer to a struct or to a slice of them. It
// refuses what encoding/json lets pass: keys that v does not have, in that very
// spelling, and keys that stand there twice.
func strict(text []byte, v any) error {
	return respelled(text, v, func(key string) string { return key })
}

// respelled is strict for keys that may be spelled in several ways, of which
// spell returns the one that v has.
func respelled(text []byte, v any, spell func(key string) string) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var whole json.RawMessage // whose nesting the decoder has limited
	if err := d.Decode(&whole); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("empty text")
		}
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more text after the policy")
	}
	d = json.NewDecoder(bytes.NewReader(whole))
	d.UseNumber()
	value, err := walk(d, reflect.TypeOf(v).Elem(), "", spell)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(plain, v)
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// walk reads the next value of valid JSON, which is for a Go value of type t,
// with the keys of its objects as they are spelled there. Where t is no struct
// any key may stand, once.
func walk(d *json.Decoder, t reflect.Type, path string, spell func(string) string) (any, error) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		if t != nil && t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		list := []any{}
		for d.More() {
			v, err := walk(d, t, path, spell)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		object := make(map[string]any)
		for d.More() {
			if err := walkPair(d, t, path, spell, object); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return object, err
	}
	return token, nil
}

// walkPair reads the next key of an object, and its value.
func walkPair(d *json.Decoder, t reflect.Type, path string, spell func(string) string, object map[string]any) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	key := token.(string)
	spelled, below := key, reflect.Type(nil)
	if t != nil && t.Kind() == reflect.Struct {
		spelled = spell(key)
		i := slices.IndexFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return nameOf(f) == spelled })
		if i < 0 {
			return fmt.Errorf("unknown field %q", path+key)
		}
		below = t.Field(i).Type
	}
	if _, twice := object[spelled]; twice {
		return fmt.Errorf("%q stands there twice (keep the one that is meant)", path+key)
	}
	object[spelled], err = walk(d, below, path+key+".", spell)
	return err
}

// nameOf returns the key of a field: its tag, or its name if it has none.
func nameOf(f reflect.StructField) string { return cmp.Or(f.Tag.Get("json"), f.Name) }

// field names the field that a value came from when it cannot be read.
func field(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }

// protoDuration is a duration in protobuf's JSON: seconds with up to nine
// decimals and an s, such as "0.1s".
type protoDuration string

func (d protoDuration) read() (time.Duration, error) {
	seconds, ok := strings.CutSuffix(string(d), "s")
	whole, nanos, _ := strings.Cut(seconds, ".")
	if !ok || whole == "" || len(nanos) > 9 || strings.Trim(whole+nanos, "0123456789") != "" {
		return 0, fmt.Errorf("%q is no duration such as \"0.1s\"", string(d))
	}
	s, err1 := strconv.ParseInt(whole, 10, 64)
	n, err2 := strconv.ParseInt((nanos + "000000000")[:9], 10, 64)
	if err1 != nil || err2 != nil || s > math.MaxInt64/int64(time.Second)-1 {
		return 0, fmt.Errorf("%q is longer than 292 years", string(d))
	}
	return time.Duration(s)*time.Second + time.Duration(n), nil
}

// positive is read for a duration that must not be 0.
func (d protoDuration) positive() (time.Duration, error) {
	v, err := d.read()
	if err == nil && v == 0 {
		err = errors.New("0, want more")
	}
	return v, err
}

// multiplier checks a growth factor; Go's zero value means that it is absent.
func multiplier(m, otherwise float64) (float64, error) {
	switch {
	case m == 0:
		m = otherwise
	case !(m >= 1 && m <= retry.MaxMultiplier):
		return 0, fmt.Errorf("%v is outside 1 to %d", m, retry.MaxMultiplier)
	}
	if m == 2 {
		return 0, nil // what 0 means
	}
	return m, nil
}

// present appends the names of the keys that stand in the text.
func present(keys map[string]bool) []string {
	var names []string
	for name, there := range keys {
		if there {
			names = append(names, name)
		}
	}
	return names
}
