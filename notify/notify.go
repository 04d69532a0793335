// Package notify sends messages to addresses that strangers gave: the results
// of jobs to their callbacks.
//
// Invariants: nothing is sent to this machine, to private networks, or to
// addresses with a meaning of their own, unless the operator allows the host;
// what counts is the address that is connected to, so that names which change
// their address gain nothing. No redirect is followed. Every message is signed,
// so that its receiver knows where it comes from.
//
// It is used by room site and set up by room server.
package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fringe"
)

// SignatureHeader carries t=SECONDS,v1=HEX: when the message was sent, in
// seconds since 1970, and the HMAC-SHA256 of "SECONDS.BODY" under the site's
// key.
const SignatureHeader = "X-Fringe-Signature"

// Config says to whom is sent and how.
type Config struct {
	Key     []byte        // of the signatures
	Allow   []string      // hosts, addresses and networks (10.1.0.0/16) that are sent to in spite of where they are
	Timeout time.Duration // of one message; 0: 30 seconds
}

// Sender sends messages.
type Sender struct {
	key    []byte
	hosts  []string
	nets   []netip.Prefix
	client *http.Client
}

// New gives a sender.
func New(cfg Config) (*Sender, error) {
	s := &Sender{key: cfg.Key}
	for _, a := range cfg.Allow {
		if p, err := netip.ParsePrefix(a); err == nil {
			s.nets = append(s.nets, p.Masked())
		} else if ip, err := netip.ParseAddr(a); err == nil {
			s.nets = append(s.nets, netip.PrefixFrom(ip, ip.BitLen()))
		} else if a == "" || strings.ContainsAny(a, "/: ") {
			return nil, fringe.Errorf("notify.New", fringe.Invalid, "%q is no host, address or network to which callbacks may go", a)
		} else {
			s.hosts = append(s.hosts, strings.ToLower(a))
		}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	s.client = &http.Client{Timeout: cfg.Timeout,
		Transport:     &http.Transport{DialContext: s.dial, DisableCompression: true, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s, nil
}

// dial connects to what may be connected to.
func (s *Sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: 10 * time.Second}
	if !slices.Contains(s.hosts, strings.ToLower(host)) {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return s.allowed(at.Addr())
		}
	}
	return d.DialContext(ctx, network, address)
}

// allowed refuses addresses that are not in the public network.
func (s *Sender) allowed(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	inner := fringe.CarriedIPv4(ip)
	for _, p := range s.nets {
		if p.Contains(ip) || p.Contains(inner) {
			return nil
		}
	}
	if fringe.ReachOf(ip) == fringe.Public {
		return nil
	}
	return &fringe.Error{Op: "notify", Kind: fringe.Denied, Component: fringe.Gateway, Message: fmt.Sprintf("callbacks do not go to the address %s", ip),
		Cure: "give a public address, or ask the operator to allow the host (--callback-allow)"}
}

// Check refuses an address that cannot be sent to, as far as it shows without
// asking for the host's addresses.
func (s *Sender) Check(address string) error {
	const op = "notify.Check"
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(address) > 2000:
		return fringe.Errorf(op, fringe.Invalid, "the callback %.200q is no http: or https: address", fringe.Redacted(address))
	case u.User != nil:
		return fringe.Errorf(op, fringe.Invalid, "the callback holds a user name or password, which would be kept and shown; check the signature instead (%s)", SignatureHeader)
	case slices.Contains(s.hosts, strings.ToLower(u.Hostname())):
		return nil
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return s.allowed(ip)
	}
	if host := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return s.allowed(netip.IPv6Loopback())
	}
	return nil
}

// Message is what is sent.
type Message struct {
	URL    string
	Header http.Header // beside the signature and the type of the body
	Body   []byte      // JSON
}

// Send sends a message once, and gives the status of the answer, 0 when there
// was none. An answer other than 2xx is an error; that of a refused address is
// Denied.
func (s *Sender) Send(ctx context.Context, m Message) (status int, err error) {
	const op = "notify.Send"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return 0, fringe.Errorf(op, fringe.Invalid, "the callback is no address: %w", err)
	}
	if m.Header != nil {
		r.Header = m.Header.Clone()
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "fringe")
	r.Header.Set(SignatureHeader, Sign(s.key, time.Now(), m.Body))
	resp, err := s.client.Do(r)
	if err != nil {
		var e *fringe.Error
		if errors.As(err, &e) {
			return 0, e
		}
		return 0, &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Gateway, Err: err, Message: "the receiver does not answer: " + cause(err)}
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fringe.Errorf(op, fringe.Unavailable, "the receiver answered %s", resp.Status)
	}
	return resp.StatusCode, nil
}

// cause gives an error of the HTTP client without the address that it repeats.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

// Sign gives the signature header of a body.
func Sign(key []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(key, t, body))
}

func mac(key []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}

// Verify says whether a signature header is of the body, and not older than
// tolerance. Receivers may use it.
func Verify(key []byte, header string, body []byte, now time.Time, tolerance time.Duration) bool {
	rest, ok := strings.CutPrefix(header, "t=")
	t, sum, both := strings.Cut(rest, ",v1=")
	at, err := strconv.ParseInt(t, 10, 64)
	given, bad := hex.DecodeString(sum)
	if !ok || !both || err != nil || bad != nil {
		return false
	}
	return now.Sub(time.Unix(at, 0)).Abs() <= tolerance && subtle.ConstantTimeCompare(given, mac(key, t, body)) == 1
}

// Key reads the site's key from a file, and makes it, mode 0600, when it is
// missing. It is 64 hexadecimal digits, which are the key as they stand.
func Key(path string) ([]byte, error) {
	const op = "notify.Key"
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var fresh [32]byte
		rand.Read(fresh[:])
		b = []byte(hex.EncodeToString(fresh[:]))
		err = os.WriteFile(path, append(b, '\n'), 0o600)
	}
	if err != nil {
		return nil, fringe.E(op, err)
	}
	if b = bytes.TrimSpace(b); len(b) < 32 {
		return nil, &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Gateway, Message: "the key of callbacks in " + path + " is too short",
			Cure: "remove the file; the next start makes a new key"}
	}
	return b, nil
}
