package fringe

import "net/netip"

// Reach says where an address of the network leads.
type Reach int

// The reaches, from what a stranger may make a site connect to, to what nobody
// may.
const (
	Public  Reach = iota // the public network
	Private              // this machine, a private network, or none at all
	Special              // link-local, multicast, and where clouds keep the credentials of a machine
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// special are the networks that are no way to a server of anybody's.
func special() []netip.Prefix {
	return []netip.Prefix{
		prefix("169.254.0.0/16"), prefix("fe80::/10"), // link-local
		prefix("224.0.0.0/4"), prefix("ff00::/8"), // multicast
		prefix("0.0.0.0/32"), prefix("::/128"), prefix("255.255.255.255/32"),
		// Credentials of machines in clouds, outside of link-local.
		prefix("100.100.100.200/32"), prefix("192.0.0.192/32"), prefix("168.63.129.16/32"), prefix("fd00:ec2::254/128"), prefix("fd20:ce::254/128"),
	}
}

// private are the networks that are not the public one: those of the registries
// of special addresses (RFC 6890 and its successors).
func private() []netip.Prefix {
	return []netip.Prefix{
		prefix("127.0.0.0/8"), prefix("::1/128"), prefix("0.0.0.0/8"), // this machine
		prefix("10.0.0.0/8"), prefix("172.16.0.0/12"), prefix("192.168.0.0/16"), prefix("fc00::/7"), prefix("fec0::/10"),
		prefix("100.64.0.0/10"),                         // shared by providers
		prefix("192.0.0.0/24"), prefix("198.18.0.0/15"), // protocols, benchmarks
		prefix("192.0.2.0/24"), prefix("198.51.100.0/24"), // documentation
		prefix("203.0.113.0/24"), prefix("2001:db8::/32"), //
		prefix("3fff::/20"), prefix("240.0.0.0/4"), // documentation, reserved
		prefix("64:ff9b:1::/48"), prefix("100::/64"), // local translation, discarded
		prefix("2001::/23"), prefix("5f00::/16"), // protocols, Teredo among them; segment routing
		prefix("192.88.99.0/24"), prefix("2002::/16"), // relays of 6to4
	}
}

// ReachOf says where an address leads. One that carries an IPv4 address (mapped,
// compatible, translated by NAT64, or of 6to4) leads at least as far from the
// public as that one.
func ReachOf(ip netip.Addr) Reach {
	ip = ip.Unmap().WithZone("")
	reach := Public
	switch {
	case within(ip, special()):
		return Special
	case within(ip, private()):
		reach = Private
	}
	if inner := CarriedIPv4(ip); inner != ip {
		reach = max(reach, ReachOf(inner))
	}
	return reach
}

func within(ip netip.Addr, networks []netip.Prefix) bool {
	for _, p := range networks {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// CarriedIPv4 gives the IPv4 address that an IPv6 address carries (mapped,
// compatible, translated by NAT64, or of 6to4), and any other as it is, without
// its zone.
func CarriedIPv4(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.Is6() || ip == netip.IPv6Loopback() || ip == netip.IPv6Unspecified() {
		return ip
	}
	b := ip.As16()
	switch {
	case prefix("64:ff9b::/96").Contains(ip), prefix("::/96").Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case prefix("2002::/16").Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}
