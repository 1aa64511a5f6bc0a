// Package fleet is a discrete-event simulation of many clients that retry, one
// server, and what happens to it.
//
// It decides nothing about retries itself: after each failed attempt it asks
// [retry.Policy.Decide], and the retry budgets, breakers and throttles of the
// clients are [retry.Bucket], [retry.Circuit] and [retry.Throttler], the code
// that runs in production. What is simulated is everything around them: when
// calls begin, how long a request takes, when a client stops waiting, what the
// server does under load.
//
// Time is a number of nanoseconds. Events happen in the order of (time, actor,
// kind), where an actor is a client, an open call or a source of calls, so the
// order does not depend on the queue that holds them. Chance is a function of
// (seed, client, call, draw): two policies meet the same arrivals and the same
// service times, and one more client moves nobody else's draws. There is no
// floating-point number in the state of a run, so the same scenario and seed
// give the same [Result] on every machine.
package fleet
