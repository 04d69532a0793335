package functions_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestSODA drives the service with pyVO as Debian ships it, through the real
// function.
func TestSODA(t *testing.T) {
	out, err := exec.Command("/usr/bin/python3", "tests/soda_client.py", site.url, site.token).CombinedOutput()
	if err != nil {
		t.Fatalf("%v (make setup installs python3-pyvo)\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestTwentyUsersLoseNothing has twenty users ask for cutouts at once, who wait
// as they are told when the site is full: every request is answered whole.
func TestTwentyUsersLoseNothing(t *testing.T) {
	const users, requests = 20, 15
	ms := observation(t, object{"times": 5, "channels": 4, "antennas": 10})
	image := location(t, call(t, "wsclean", object{"ms": directory(ms), "size": 512, "scale": 5}), "image")
	address := site.url + "/ska/datasets/soda/sync?" + url.Values{"ID": {image}, "CIRCLE": {"230.5 35.0 0.1"}}.Encode()
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for range requests {
				ask(t, address)
			}
		})
	}
	wg.Wait()
}

// ask makes one request, again for as long as the site says that it is full.
func ask(t *testing.T, address string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, "GET", address, nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+site.token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("a request was lost: %v", err)
			return
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		switch {
		case err != nil:
			t.Errorf("an answer was cut short: %v", err)
		case res.StatusCode == http.StatusTooManyRequests:
			after, err := strconv.Atoi(res.Header.Get("Retry-After"))
			if err != nil || after < 1 {
				t.Errorf("429 with Retry-After %q", res.Header.Get("Retry-After"))
				return
			}
			select {
			case <-time.After(time.Duration(after) * time.Second):
				continue
			case <-ctx.Done():
				t.Error("the site was full for five minutes")
			}
		case res.StatusCode != http.StatusOK || len(body)%2880 != 0 || string(body[:6]) != "SIMPLE":
			t.Errorf("the answer is %d with %d bytes: %.100q", res.StatusCode, len(body), body)
		}
		return
	}
}
