package catalogue

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fringe"
)

// hostRE matches the names of hosts that every resolver and every parser of
// URLs reads alike; in particular the last label is no number, for that makes
// an address in one of its old forms.
var hostRE = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?$`)

// webEnv lists the variables of the server that a clone from the web sees: no
// proxy, no keys, no configuration.
var webEnv = []string{"PATH", "TMPDIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// onWeb makes git clone from the addresses of u's host that are looked up here,
// when the role may have the server read from all of them. git looks up nothing
// itself and follows no redirect.
func (c *Catalogue) onWeb(ctx context.Context, u *url.URL, role fringe.Role) (remote, error) {
	const op = "catalogue.PublishGit"
	open := c.cfg.Private || role.Includes(fringe.Operator)
	if u.Scheme != "https" && !open {
		return remote{}, &fringe.Error{Op: op, Kind: fringe.Denied, Component: fringe.Catalogue,
			Message: "functions are published from https: addresses only, for others can be changed on their way", Cure: "give an https: address, or publish the function's directory"}
	}
	host := strings.ToLower(u.Hostname())
	port, err := strconv.ParseUint(cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme]), 10, 16)
	ip, noIP := netip.ParseAddr(host)
	if err != nil || noIP != nil && !hostRE.MatchString(host) || ip.Zone() != "" {
		return remote{}, &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: fmt.Sprintf("%.200q is no host that a repository can be read from", u.Host), Cure: "write https://HOST/PATH.git"}
	}
	at := []netip.Addr{ip}
	if noIP != nil {
		if at, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return remote{}, &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err,
				Message: "the host " + host + " is not found", Cure: "see that the address is right and that this machine reaches it"}
		}
	}
	pins := make([]string, len(at))
	for i, ip := range at {
		if c.cfg.Address == nil || c.cfg.Address(ip, !open) != nil {
			return remote{}, &fringe.Error{Op: op, Kind: fringe.Denied, Component: fringe.Catalogue,
				Message: fmt.Sprintf("the site does not read from the address %s of %s", ip, host), Cure: "publish the function's directory"}
		}
		if pins[i] = ip.Unmap().String(); ip.Unmap().Is6() {
			pins[i] = "[" + pins[i] + "]"
		}
	}
	name := host
	if noIP == nil {
		name = pins[0]
	}
	exact := *u
	exact.User = nil
	if exact.Host = name; u.Port() != "" {
		exact.Host = fmt.Sprintf("%s:%d", name, port)
	}
	r := remote{address: exact.String(), scheme: u.Scheme, web: true, config: []string{"-c", "http.followRedirects=false", "-c", "http.proxy=", "-c", "credential.helper="}}
	if u.User != nil { // every user of the machine sees a command line
		password, _ := u.User.Password()
		r.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader",
			"GIT_CONFIG_VALUE_0=Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))}
	}
	if noIP != nil {
		r.config = append(r.config, "-c", fmt.Sprintf("http.curloptResolve=%s:%d:%s", name, port, strings.Join(pins, ",")))
	}
	return r, gitPins(ctx)
}

// gitPins refuses a git that would look up hosts itself: http.curloptResolve is
// known since 2.37, and an older git passes over it in silence.
func gitPins(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "git", "version").Output()
	if err != nil {
		return noGit(err)
	}
	var major, minor int
	if n, _ := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); n < 2 || major < 2 || major == 2 && minor < 37 {
		return &fringe.Error{Op: "catalogue.PublishGit", Kind: fringe.Unavailable, Component: fringe.Catalogue,
			Message: fmt.Sprintf("the git of this machine is too old to publish from the web: %.60q", strings.TrimSpace(string(out))), Cure: "publish the function's directory, or install git 2.37"}
	}
	return nil
}

// webEnviron gives a clone from the web its environment; home is an empty
// directory.
func webEnviron(all []string, home string) []string {
	env := slices.DeleteFunc(slices.Clone(all), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(webEnv, name)
	})
	return append(env, "HOME="+home, "GIT_CONFIG_NOSYSTEM=1")
}
