package scripted_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

func must(text string) *scripted.Script {
	s, err := scripted.Parse("example.retry", text)
	if err != nil {
		panic(err)
	}
	return s
}

func Example() {
	script := must(`
		429 retry-after=5s type=rate_limit_error
		reset
		ok "Hel" "lo"`)
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	inner := scripted.NewModel(script)
	inner.Clock = clock
	model, err := retry.NewModel(inner, retry.Config{Policy: retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}, Clock: clock})
	if err != nil {
		panic(err)
	}
	stream, err := model.ChatStream(context.Background(), retry.ChatRequest{})
	if err != nil {
		panic(err)
	}
	for chunk := range retry.Chunks(stream) {
		fmt.Printf("%T ", chunk)
	}
	fmt.Println("after", clock.Elapsed(), "and", inner.Calls(), "requests")
	// Output: retry.TextDelta retry.TextDelta retry.TurnFinished after 7s and 3 requests
}

func ExampleParse() {
	_, err := scripted.Parse("flaky.retry", "503 x2 afer 40ms\nok \"hi\"; expect attemps == 3\n")
	fmt.Println(err)
	// Output:
	// flaky.retry:1:8: unknown word "afer" (did you mean "after"?)
	//   503 x2 afer 40ms
	//          ^^^^
	// flaky.retry:2:17: unknown subject "attemps" (did you mean "attempts"?)
	//   ok "hi"; expect attemps == 3
	//                   ^^^^^^^
}

func ExampleFormat() {
	fmt.Print(scripted.Format(must("transient   # why\n503 retry-after=90   x2 # and how\nexpect attempts==2")))
	// Output:
	// transient                 # why
	// 503 retry-after=1m30s x2  # and how
	// expect attempts == 2
}

func ExampleScript() {
	script := &scripted.Script{
		Turns: []scripted.Turn{
			{Answer: scripted.Transient{}, Repeat: 2},
			{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}, After: 200 * time.Millisecond},
		},
		Expects: []scripted.Expect{{Subject: scripted.SubjectAttempts, Op: scripted.Equal, Number: 3}},
	}
	fmt.Print(scripted.Format(script))
	// Output:
	// transient x2
	// ok "hi" after 200ms
	//
	// expect attempts == 3
}

func ExampleModel_Do() {
	// For retry code that knows no chat model, a script is a plain function.
	do := scripted.NewModel(must("503; reset; ok")).Do
	for {
		err := do(context.Background())
		if err == nil {
			break
		}
		fmt.Println(err)
	}
	// Output:
	// 503
	// reset: connection reset by peer
}

// StatusError is some SDK's error type.
type StatusError struct{ Status int }

func (e StatusError) Error() string { return fmt.Sprint("status ", e.Status) }

func ExampleModel() {
	model := scripted.NewModel(must(`429 type=rate_limit_error`))
	model.Error = func(_ scripted.Turn, e *scripted.Error) error {
		if e.Status != nil {
			return StatusError{e.Status.Status}
		}
		return e
	}
	err := model.Do(context.Background())
	fmt.Println(err, errors.As(err, new(StatusError)))
	// Output: status 429 true
}

func ExampleModel_Records() {
	model := scripted.NewModel(must(`ok "Hel" "lo"`))
	stream, _ := model.ChatStream(context.Background(), retry.ChatRequest{Messages: []retry.Message{retry.UserText("hi")}})
	stream.Recv()
	for _, r := range model.Records() {
		fmt.Println(len(r.Request.Messages), "message,", len(r.Chunks), "chunk taken, closed:", r.Closed)
	}
	fmt.Println(model.Open(), "stream open")
	// Output:
	// 1 message, 1 chunk taken, closed: false
	// 1 stream open
}

func ExamplePlayer() {
	player := scripted.NewPlayer(must(`
		lane "research" when model=gpt-4o { 429; ok }
		lane "writing" when path=/v1/messages { hang }`))
	for _, request := range []scripted.Request{{Model: "gpt-4o"}, {Path: "/v1/messages"}, {Model: "gpt-4o"}, {Model: "gpt-5"}} {
		turn, err := player.Take(request)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(turn)
	}
	// Output:
	// 429
	// hang
	// ok
	// scripted: a request with model=gpt-5 path="" fits no lane: there is lane "research" when model=gpt-4o, lane "writing" when path=/v1/messages
}

func ExampleStream_Steps() {
	s := must("ok \"a\" pause 1s tool now()").Turns[0].Answer.(scripted.Stream)
	for _, step := range s.Steps() {
		fmt.Printf("%v %T\n", step.Pause, step.Chunk)
	}
	// Output:
	// 0s retry.TextDelta
	// 1s retry.ToolCallStarted
	// 0s retry.ToolCallFinished
	// 0s retry.TurnFinished
}

func ExampleError() {
	err := scripted.NewModel(must("500 retry-after=2s message=\"try again\"")).Do(context.Background())
	fmt.Println(err)
	fmt.Println(retry.Classify(fmt.Errorf("asking: %w", err)))
	// Output:
	// 500: try again
	// transient, retry after 2s
}

func ExampleUsedUpError() {
	do := scripted.NewModel(must("call { transient }; call { ok }")).Do
	ctx := retry.WithCall(context.Background(), 1)
	fmt.Println(do(ctx))
	fmt.Println(do(ctx))
	// Output:
	// transient
	// scripted: request 2 is past its call block of line 1 in the script (it has 1 turn)
}

func ExampleParseFile() {
	all, err := scripted.ParseFile("suite.txtar", "-- a.retry --\nok\n-- b.retry --\nreset; expect attempts == 1\n")
	if err != nil {
		panic(err)
	}
	for _, s := range all {
		fmt.Println(s.Member, len(s.Expects))
	}
	// Output:
	// a.retry 0
	// b.retry 1
}

func ExampleRewrite() {
	const text = "transient;  ok   # as it was\nexpect attempts == ?\n"
	s := must(text)
	fmt.Print(scripted.Rewrite(text, []scripted.Edit{{Expect: s.Expects[0], Value: "2"}}))
	// Output:
	// transient;  ok   # as it was
	// expect attempts == 2
}

func ExampleSyntaxError() {
	_, err := scripted.ParsePolicy("--policy", "exp:base=200ms,jiter=none")
	var e *scripted.SyntaxError
	if errors.As(err, &e) {
		fmt.Println(e.Pos.Line, e.Pos.Col, e.Msg)
	}
	// Output: 1 16 unknown key "jiter" (did you mean "jitter"?)
}

func ExampleExpect() {
	for _, e := range must("ok; expect wait[1] in 5s..5500ms; expect no early-retry").Expects {
		fmt.Println(e)
	}
	// Output:
	// wait[1] in 5s..5.5s
	// no early-retry
}

func ExampleWithRequest() {
	model := scripted.NewModel(must(`lane "b" when x-agent=b { ok }`))
	ctx := scripted.WithRequest(context.Background(), scripted.Request{Header: func(name string) string {
		return strings.TrimPrefix(name, "x-agent") + "b"
	}})
	fmt.Println(model.Do(ctx))
	// Output: <nil>
}

func ExampleFormatFile() {
	text, err := scripted.FormatFile("suite.txtar", "prose   stays\n-- a.retry --\nok   x1\n")
	if err != nil {
		panic(err)
	}
	fmt.Print(text)
	// Output:
	// prose   stays
	// -- a.retry --
	// ok
}

// Every answer that a turn can give.
func ExampleAnswer() {
	for _, turn := range must("transient:50; permanent: bad auth; 429 retry-after=1s; reset; hang; ok").Turns {
		switch a := turn.Answer.(type) {
		case scripted.Transient:
			fmt.Println("refused, come back after", a.Wait)
		case scripted.Permanent:
			fmt.Println("refused for good:", a.Reason)
		case scripted.Status:
			fmt.Println("status", a.Status, a.Header)
		case scripted.Reset:
			fmt.Println("no connection")
		case scripted.Hang:
			fmt.Println("no answer")
		case scripted.Stream:
			fmt.Println("a stream")
		}
	}
	// Output:
	// refused, come back after 50ms
	// refused for good: bad auth
	// status 429 [{retry-after 1}]
	// no connection
	// no answer
	// a stream
}

// Every item that a stream can have.
func ExampleItem() {
	stream := must("ok \"a\" pause 1s reasoning(\"hm\") redacted \"eA==\" interleaved(tool x() tool y()) tool z()").Turns[0].Answer.(scripted.Stream)
	for _, item := range stream.Items {
		switch x := item.(type) {
		case scripted.Text:
			fmt.Printf("text %q\n", string(x))
		case scripted.Pause:
			fmt.Println("nothing for", time.Duration(x))
		case scripted.Reasoning:
			fmt.Println("reasoning in", len(x.Parts), "part")
		case scripted.Redacted:
			fmt.Println("reasoning, encrypted:", string(x))
		case scripted.Interleaved:
			fmt.Println(len(x), "tool calls at once")
		case scripted.Tool:
			fmt.Println("tool call", x.Name)
		}
	}
	// Output:
	// text "a"
	// nothing for 1s
	// reasoning in 1 part
	// reasoning, encrypted: eA==
	// 2 tool calls at once
	// tool call z
}

// Every way in which a stream can end.
func ExampleEnding() {
	for _, turn := range must("ok finish max_tokens; ok cut; ok eof; ok stall; ok transient").Turns {
		switch end := turn.Answer.(scripted.Stream).End.(type) {
		case scripted.Finish:
			fmt.Println("complete:", end.Reason)
		case scripted.Cut:
			fmt.Println("the connection is lost")
		case scripted.EOF:
			fmt.Println("the end, too early")
		case scripted.Stall:
			fmt.Println("nothing more, not even the end")
		case scripted.Transient:
			fmt.Println("a mid-stream error")
		}
	}
	// Output:
	// complete: max_tokens
	// the connection is lost
	// the end, too early
	// nothing more, not even the end
	// a mid-stream error
}

// Two parallel callers, one of them with a block for each call.
func ExampleLane() {
	s := must(`
		lane "research" when model=gpt-4o { 429; ok }  # it is asked twice
		lane "writing" when path=/v1/messages {
			call { transient; ok; expect attempts == 2 }
			call { ok }
		}`)
	for _, lane := range s.Lanes {
		fmt.Println(lane.Name, lane.When[0].Name, len(lane.Turns), "turns,", len(lane.Blocks), "calls")
		for _, block := range lane.Blocks {
			fmt.Println("  line", block.Pos.Line, len(block.Turns), "turns,", len(block.Expects), "expected")
		}
	}
	fmt.Println(s.Comments[0].Text)
	player := scripted.NewPlayer(s)
	taken, err := player.Take(scripted.Request{Path: "/v1/messages", Call: 1})
	if err != nil {
		panic(err)
	}
	fmt.Println(taken.Lane, "call", taken.Block, taken.Turn)
	_, err = player.Take(scripted.Request{Model: "gpt-5"})
	var lost *scripted.NoLaneError
	fmt.Println(errors.As(err, &lost), lost.Request, len(lost.Lanes))
	// Output:
	// research model 2 turns, 0 calls
	// writing path 0 turns, 2 calls
	//   line 4 2 turns, 1 expected
	//   line 5 1 turns, 0 expected
	// # it is asked twice
	// writing call 1 transient
	// true model=gpt-5 path="" 2
}

// A fleet is a list of statements; package simulate knows what they mean.
func ExampleDecl() {
	s := must("fleet for=10m; arrive poisson rate=280/s; server rate=300/s queue=1000")
	for _, d := range s.Decls {
		fmt.Println(strings.TrimSpace(d.Word + " " + d.Kind))
		for _, a := range d.Args {
			fmt.Println("  ", a.Key, a.Text, a.Values)
		}
	}
	// Output:
	// fleet
	//    for 10m [600000000000]
	// arrive poisson
	//    rate 280/s [0 280000000 0]
	// server
	//    rate 300/s [300000000]
	//    queue 1000 [1000]
}

// A hang on a clock that moves by itself ends, after a year.
func ExampleHungError() {
	model := scripted.NewModel(must("hang"))
	model.Clock = fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	err := model.Do(context.Background())
	var hung *scripted.HungError
	fmt.Println(errors.As(err, &hung), err)
	// Output:
	// true scripted: nothing ended the hang in 365 days (a timeout or a cancel would)
}

// All mistakes are told at once.
func ExampleSyntaxErrors() {
	_, err := scripted.Parse("x.retry", "transeint\nok \"a\" afer 2s\n")
	var all scripted.SyntaxErrors
	if errors.As(err, &all) {
		for _, e := range all {
			fmt.Println(e.Pos.Line, e.Pos.Col, e.Msg)
		}
	}
	// Output:
	// 1 1 unknown word "transeint" (did you mean "transient"?)
	// 2 8 unknown word "afer" in a stream (did you mean "after"?)
}
