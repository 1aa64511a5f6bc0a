package sdks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	neturl "net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/PuerkitoBio/rehttp"
	avast "github.com/avast/retry-go/v5"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/cenkalti/backoff/v5"
	"github.com/eapache/go-resiliency/retrier"
	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	restyv2 "github.com/go-resty/resty/v2"
	"github.com/gojek/heimdall/v7"
	"github.com/gojek/heimdall/v7/httpclient"
	"github.com/googleapis/gax-go/v2"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
	sethvargo "github.com/sethvargo/go-retry"
	"github.com/slack-go/slack"
	"github.com/stripe/stripe-go/v85"
	"google.golang.org/api/googleapi"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	k8sretry "k8s.io/client-go/util/retry"
	resty "resty.dev/v3"

	"github.com/retrykit/retrykit/propertytest"
)

// libraries are the peers that speak plain HTTP.
func libraries() []Peer {
	return []Peer{
		{Name: "azcore", Module: "github.com/Azure/azure-sdk-for-go/sdk/azcore", Call: azcore},
		{Name: "aws-sdk-go-v2 (Bedrock)", Module: "github.com/aws/aws-sdk-go-v2", Call: awsBedrock,
			Policy: "looks at x-amz-retry-after only", Source: []string{"aws/retry/middleware.go:518 adjustForRetryAfterHeader"}, HTTPOptions: propertytest.HTTPOptions{Spec: deaf(), Answer: "{}"}},
		{Name: "go-retryablehttp", Module: "github.com/hashicorp/go-retryablehttp", Call: retryable},
		{Name: "failsafe-go/failsafehttp", Module: "github.com/failsafe-go/failsafe-go", Set: "failsafehttp.NewRetryPolicyBuilder", Call: failsafeHTTP},
		{Name: "failsafe-go", Module: "github.com/failsafe-go/failsafe-go", Set: "retrypolicy.NewWithDefaults", Policy: "by default it retries any error, and at once",
			Source: []string{"retrypolicy/retry.go:67 when any error is returned, with no delay", "retrypolicy/retry.go:71 By default, any error is considered a failure"},
			Call:   failsafeFunc, HTTPOptions: propertytest.HTTPOptions{Spec: plainly()}},
		{Name: "resty v2", Module: "github.com/go-resty/resty/v2", Set: "SetRetryCount(3), a condition for 429 and 5xx", Policy: "Retry-After only through a callback of the caller's",
			Source: []string{"client.go:731 SetRetryAfter", "retry.go:187 retryAfterFunc == nil"},
			Call:   restyTwo, HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "resty v3", Module: "resty.dev/v3", Set: "SetRetryCount(3), SetRetryAllowNonIdempotent, its conditions for 429 and 5xx", Call: restyThree},
		{Name: "cenkalti/backoff v5", Module: "github.com/cenkalti/backoff/v5", Set: "RetryAfter and Permanent by the caller", Call: cenkalti},
		{Name: "avast/retry-go v5", Module: "github.com/avast/retry-go/v5", Set: "Context, Unrecoverable by the caller", Policy: "its waits look at an error only through a DelayType of the caller's",
			Source: []string{"options.go:201 BackOffDelay(n uint, _ error", "options.go:191 DelayType"},
			Call:   avastRetry, HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "sethvargo/go-retry", Module: "github.com/sethvargo/go-retry", Set: "3 retries, exponential from 1 s, RetryableError by the caller", Policy: "its backoff is told nothing of the error",
			Source: []string{"backoff.go:13 Next() (next time.Duration, stop bool)"},
			Call:   sethvargoRetry, HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "gax-go", Module: "github.com/googleapis/gax-go/v2", Set: "OnHTTPCodes(Backoff{}, 429, 500, 502, 503, 504)", Policy: "its backoff is told nothing of the error; a Retryer of the caller's may look at it",
			Source: []string{"call_option.go:153 r.backoff.Pause()", "call_option.go:51 Retryer"},
			Call:   gaxInvoke, HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "k8s wait", Module: "k8s.io/apimachinery", Set: "client-go's DefaultBackoff", Policy: "its backoff is told nothing of the error",
			Source: []string{"pkg/util/wait/backoff.go:58 Step() time.Duration"},
			Call:   k8sWait, HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "k8s client-go", Module: "k8s.io/client-go", Call: k8sClient},
		{Name: "stripe-go", Module: "github.com/stripe/stripe-go/v85", Policy: "its waits follow from the number of the retry; it retries every error that is not in the JSON of its API, and those here are plain text",
			Source: []string{"stripe.go:1367 sleepTime(numRetries int)", "stripe.go:1335 retry every other type of non-Stripe error"}, Call: stripeRaw,
			HTTPOptions: propertytest.HTTPOptions{Spec: plainly(), Answer: "{}"}},
		{Name: "minio-go", Module: "github.com/minio/minio-go/v7", Policy: "its waits follow from the number of the retry",
			Source: []string{"retry.go:52 newRetryTimer(ctx context.Context, maxRetry int"}, Call: minioBucket, HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "slack-go", Module: "github.com/slack-go/slack", Set: "OptionRetry(3)", Call: slackAuth, HTTPOptions: propertytest.HTTPOptions{Answer: `{"ok":true}`}},
		{Name: "elastic-transport-go", Module: "github.com/elastic/elastic-transport-go/v8", Policy: "no waits by default, and those of its option follow from the number of the retry",
			Source: []string{"elastictransport/elastictransport.go:96 RetryBackoff func(attempt int) time.Duration"}, Call: elastic,
			HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "rehttp", Module: "github.com/PuerkitoBio/rehttp", Set: "3 retries on 429 and 503, ExpJitterDelay(1s, 30s)", Policy: "these waits follow from the number of the retry; a DelayFn of the caller's may look at the answer",
			Source: []string{"rehttp.go:279 ExpJitterDelayWithRand", "rehttp.go:104 DelayFn func(attempt Attempt)"}, Call: rehttpTransport,
			HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "heimdall", Module: "github.com/gojek/heimdall/v7", Set: "3 retries, exponential from 1 s", Policy: "its waits follow from the number of the retry",
			Source: []string{"retry.go:7 NextInterval(retry int) time.Duration"}, Call: heimdallClient,
			HTTPOptions: propertytest.HTTPOptions{Spec: deaf()}},
		{Name: "eapache/go-resiliency", Module: "github.com/eapache/go-resiliency", Set: "ExponentialBackoff(3, 1s), jitter 0.1", Policy: "its waits are a list; without a classifier it retries any error",
			Source: []string{"retrier/retrier.go:115 calcSleep(i int)", "retrier/classifier.go:19 DefaultClassifier"}, Call: eapache, HTTPOptions: propertytest.HTTPOptions{Spec: plainly()}},
	}
}

const question = `{"question":"hello"}`

func post(ctx context.Context, url string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/answers", strings.NewReader(question))
	if err != nil {
		panic(err)
	}
	return r
}

// finish reads an answer to its end. A refusal is an error, whose body is not
// read: it may not end.
func finish(resp *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return "", &statusError{resp.StatusCode, resp.Header.Get("Retry-After")}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	return string(body), nil
}

// statusError is a refusal, as the caller of a library for functions has it.
type statusError struct {
	status     int
	retryAfter string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// transient is what the caller of such a library knows of errors.
func transient(err error) bool {
	var s *statusError
	if errors.As(err, &s) {
		return s.status == http.StatusTooManyRequests || s.status >= 500
	}
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func azcore(ctx context.Context, client *http.Client, url string) (string, error) {
	p := runtime.NewPipeline("peers", "v1", runtime.PipelineOptions{}, &policy.ClientOptions{Transport: client})
	r, err := runtime.NewRequest(ctx, http.MethodPost, url+"/v1/answers")
	if err != nil {
		return "", err
	}
	if err := r.SetBody(nopCloser{strings.NewReader(question)}, "application/json"); err != nil {
		return "", err
	}
	return finish(p.Do(r))
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func awsBedrock(ctx context.Context, client *http.Client, url string) (string, error) {
	c := bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("none", "none", ""),
	})
	out, err := c.InvokeModel(ctx, &bedrockruntime.InvokeModelInput{ModelId: aws.String("m"), Body: []byte(question), ContentType: aws.String("application/json")})
	if err != nil {
		return "", err
	}
	return string(out.Body), nil
}

func retryable(ctx context.Context, client *http.Client, url string) (string, error) {
	c := retryablehttp.NewClient()
	c.HTTPClient, c.Logger = client, nil
	r, err := retryablehttp.FromRequest(post(ctx, url))
	if err != nil {
		return "", err
	}
	return finish(c.Do(r))
}

func failsafeHTTP(ctx context.Context, client *http.Client, url string) (string, error) {
	c := &http.Client{Transport: failsafehttp.NewRoundTripper(client.Transport, failsafehttp.NewRetryPolicyBuilder().Build())}
	return finish(c.Do(post(ctx, url)))
}

func failsafeFunc(ctx context.Context, client *http.Client, url string) (string, error) {
	return failsafe.With(retrypolicy.NewWithDefaults[string]()).WithContext(ctx).Get(func() (string, error) { return finish(client.Do(post(ctx, url))) })
}

func restyTwo(ctx context.Context, client *http.Client, url string) (string, error) {
	c := restyv2.NewWithClient(client).SetRetryCount(3).SetLogger(quiet{}).AddRetryCondition(func(r *restyv2.Response, err error) bool {
		return r.StatusCode() == http.StatusTooManyRequests || r.StatusCode() >= 500
	})
	resp, err := c.R().SetContext(ctx).SetBody(question).Post(url + "/v1/answers")
	if err != nil {
		return "", err
	}
	if resp.IsError() {
		return "", &statusError{status: resp.StatusCode()}
	}
	return resp.String(), nil
}

// quiet is a logger that logs nothing.
type quiet struct{}

func (quiet) Errorf(string, ...any) {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Debugf(string, ...any) {}

func restyThree(ctx context.Context, client *http.Client, url string) (string, error) {
	c := resty.NewWithClient(client).SetRetryCount(3).SetRetryAllowNonIdempotent(true).SetLogger(quiet{}).
		AddRetryConditions(resty.RetryConditionStatusTooManyRequests, resty.RetryConditionStatus5XX)
	defer c.Close()
	resp, err := c.R().SetContext(ctx).SetBody(question).Post(url + "/v1/answers")
	if err != nil {
		return "", err
	}
	if resp.IsStatusFailure() {
		return "", &statusError{status: resp.StatusCode()}
	}
	return resp.String(), nil
}

func cenkalti(ctx context.Context, client *http.Client, url string) (string, error) {
	return backoff.Retry(ctx, func() (string, error) {
		text, err := finish(client.Do(post(ctx, url)))
		var s *statusError
		switch {
		case err != nil && !transient(err):
			return "", backoff.Permanent(err)
		case errors.As(err, &s):
			if seconds, bad := strconv.Atoi(s.retryAfter); bad == nil && seconds >= 0 {
				return "", backoff.RetryAfter(seconds)
			}
			if date, bad := http.ParseTime(s.retryAfter); bad == nil {
				return "", backoff.RetryAfter(max(int(math.Ceil(time.Until(date).Seconds())), 0))
			}
		}
		return text, err
	})
}

func avastRetry(ctx context.Context, client *http.Client, url string) (text string, err error) {
	err = avast.New(avast.Context(ctx)).Do(func() error {
		text, err = finish(client.Do(post(ctx, url)))
		if err != nil && !transient(err) {
			return avast.Unrecoverable(err)
		}
		return err
	})
	return text, err
}

func sethvargoRetry(ctx context.Context, client *http.Client, url string) (text string, err error) {
	err = sethvargo.Do(ctx, sethvargo.WithMaxRetries(3, sethvargo.NewExponential(time.Second)), func(ctx context.Context) error {
		text, err = finish(client.Do(post(ctx, url)))
		if err != nil && transient(err) {
			return sethvargo.RetryableError(err)
		}
		return err
	})
	return text, err
}

func gaxInvoke(ctx context.Context, client *http.Client, url string) (text string, err error) {
	err = gax.Invoke(ctx, func(ctx context.Context, _ gax.CallSettings) error {
		text, err = finish(client.Do(post(ctx, url)))
		var s *statusError
		if errors.As(err, &s) {
			return &googleapi.Error{Code: s.status}
		}
		return err
	}, gax.WithRetry(func() gax.Retryer { return gax.OnHTTPCodes(gax.Backoff{}, 429, 500, 502, 503, 504) }))
	return text, err
}

func k8sWait(ctx context.Context, client *http.Client, url string) (text string, err error) {
	var last error
	err = wait.ExponentialBackoffWithContext(ctx, k8sretry.DefaultBackoff, func(ctx context.Context) (bool, error) {
		text, last = finish(client.Do(post(ctx, url)))
		if last != nil && !transient(last) {
			return false, last
		}
		return last == nil, nil
	})
	if err != nil {
		return "", errors.Join(err, last)
	}
	return text, nil
}

func k8sClient(ctx context.Context, client *http.Client, url string) (string, error) {
	c, err := rest.RESTClientForConfigAndClient(&rest.Config{
		Host: url, QPS: -1,
		ContentConfig: rest.ContentConfig{GroupVersion: &schema.GroupVersion{Version: "v1"}, NegotiatedSerializer: scheme.Codecs.WithoutConversion()},
	}, client)
	if err != nil {
		return "", err
	}
	body, err := c.Post().AbsPath("/v1/answers").Body([]byte(question)).DoRaw(ctx)
	return string(body), err
}

func stripeRaw(ctx context.Context, client *http.Client, url string) (string, error) {
	b := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		HTTPClient: client, URL: stripe.String(url), LeveledLogger: stripe.DefaultLeveledLogger, EnableTelemetry: new(false),
	})
	var out stripe.APIResource
	err := b.CallRaw(http.MethodPost, "/v1/charges", "sk_test_none", []byte("amount=1"), &stripe.Params{Context: ctx}, &out)
	if err != nil {
		return "", err
	}
	return "{}", nil
}

func init() { stripe.DefaultLeveledLogger = &stripe.LeveledLogger{Level: stripe.LevelNull} }

func minioBucket(ctx context.Context, client *http.Client, url string) (string, error) {
	u, err := neturl.Parse(url)
	if err != nil {
		return "", err
	}
	c, err := minio.New(u.Host, &minio.Options{Creds: miniocredentials.NewStaticV4("none", "none", ""), Transport: client.Transport, Region: "us-east-1"})
	if err != nil {
		return "", err
	}
	found, err := c.BucketExists(ctx, "bucket")
	if err == nil && !found {
		err = errors.New("no such bucket")
	}
	return "Hello", err
}

func slackAuth(ctx context.Context, client *http.Client, url string) (string, error) {
	c := slack.New("xoxb-none", slack.OptionHTTPClient(client), slack.OptionAPIURL(url+"/"), slack.OptionRetry(3), slack.OptionLog(log.New(io.Discard, "", 0)))
	_, err := c.AuthTestContext(ctx)
	return `{"ok":true}`, err
}

func elastic(ctx context.Context, client *http.Client, url string) (string, error) {
	u, err := neturl.Parse(url)
	if err != nil {
		return "", err
	}
	c, err := elastictransport.NewClient(elastictransport.WithURLs(u), elastictransport.WithTransport(client.Transport))
	if err != nil {
		return "", err
	}
	return finish(c.Perform(post(ctx, url)))
}

func rehttpTransport(ctx context.Context, client *http.Client, url string) (string, error) {
	c := &http.Client{Transport: rehttp.NewTransport(client.Transport,
		rehttp.RetryAll(rehttp.RetryMaxRetries(3), rehttp.RetryAny(rehttp.RetryStatuses(429, 503), rehttp.RetryTemporaryErr())),
		rehttp.ExpJitterDelay(time.Second, 30*time.Second))}
	return finish(c.Do(post(ctx, url)))
}

func heimdallClient(ctx context.Context, client *http.Client, url string) (string, error) {
	c := httpclient.NewClient(httpclient.WithHTTPClient(client), httpclient.WithRetryCount(3),
		httpclient.WithRetrier(heimdall.NewRetrier(heimdall.NewExponentialBackoff(time.Second, 30*time.Second, 2, 100*time.Millisecond))))
	return finish(c.Do(post(ctx, url)))
}

func eapache(ctx context.Context, client *http.Client, url string) (text string, err error) {
	r := retrier.New(retrier.ExponentialBackoff(3, time.Second), nil)
	r.SetJitter(0.1)
	err = r.RunCtx(ctx, func(ctx context.Context) error {
		text, err = finish(client.Do(post(ctx, url)))
		return err
	})
	return text, err
}
