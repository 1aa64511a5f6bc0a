// Package simulate runs retry policies in scripted weather, on virtual time.
//
// [Play] puts every call of a script through the real decorator, [retry.Model]:
// the same code that runs in production, on a clock that moves only when it is
// waited on. Nothing sleeps, and the same script, policy and seed give the same
// [Run], to the nanosecond, on every machine. [Check] says besides whether what
// the script expects has come. [Schedule] says when each attempt of a policy
// begins, exactly where a closed form is known.
//
// [Fleet] runs a scenario of many clients and one server: package
// simulate/fleet, which calls the same decision, does the work.
package simulate
