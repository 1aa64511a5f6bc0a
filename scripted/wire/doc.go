// Package wire plays a script as the HTTP API of a provider of language models,
// in front of any client: an SDK, an agent, a program in another language.
//
// A [Server] is an [http.Handler]. Each request takes the next turn of its lane
// and gets what the turn says in the [Format] of that provider: its streams, its
// answers without streams, the bodies and headers of its refusals, the events
// by which a stream reports that it failed. Lanes are told apart by model, path
// and header. What breaks is broken on the wire: a reset, a cut in the middle
// of a body, an early but clean end, silence.
//
//	transient         503, of Anthropic 529
//	transient:50      429 with the hint as a header, of Gemini in the body
//	permanent: text   400 with the text as the message
//	429 ...           that status, with what the provider sends for it where the
//	                  script says nothing
//	ok ...            a stream if the request asks for one, else the same in one
//	                  piece, with its pauses before it
//
// A stream that fails does so by an event of its format; in the plain format,
// which has none, the connection breaks. Without a stream such an answer is a
// refusal, and one that is cut, ends early or stalls does so half-way.
//
// In a test, [Client] starts a server without a network. In a bubble of
// testing/synctest the client under test runs on virtual time, whatever it is:
//
//	synctest.Test(t, func(t *testing.T) {
//		server := wire.Client(t, `429 retry-after=50s x2; ok "Hello"`, wire.Config{})
//		client := openai.NewClient(option.WithHTTPClient(server.HTTP), option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("none"))
//		answer, err := client.Chat.Completions.New(t.Context(), params)
//		...
//	})
//
// # The record
//
// The server keeps a [trace.Trace] of what it saw: each request as an attempt,
// with its lane, the connections that were open, the size and the hash of its
// body; each answer with its status, and whether the client was still there.
// Attempts are counted here because clients retry below each other without
// knowing it.
//
// A logical call is what the server can tell of one: a call block where the
// script has them, else the requests of a lane up to and including one that got
// a complete answer. Of callers that run at once in one lane it can only guess
// whose request is whose: a request is taken for a retry of the failed call that
// sent the same body, else of any that failed, and of several of the one that
// failed first. So a caller whose first request comes while another waits to
// try again is taken for that other one, unless it has a lane or a call block
// of its own. Nothing else of a request enters the record: of its
// headers only those named by [trace.HeaderNames], of its path and its query nothing.
package wire
