package fringe

import (
	"context"
	"strings"
)

// Role says what a principal may do. Each includes those before it.
type Role string

// The roles, from least to most.
const (
	Reader    Role = "reader"    // look at the catalogue, datasets and calls
	Caller    Role = "caller"    // call functions, add data
	Publisher Role = "publisher" // publish functions, build environments
	Operator  Role = "operator"  // all, and tokens, and files of the machine by path
)

// Includes says whether a principal with role r may do what needs want.
func (r Role) Includes(want Role) bool { return r.rank() >= want.rank() && want.rank() > 0 }

func (r Role) rank() int {
	switch r {
	case Reader:
		return 1
	case Caller:
		return 2
	case Publisher:
		return 3
	case Operator:
		return 4
	}
	return 0
}

// Valid says whether r is one of the roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// Principal is who asks.
type Principal struct {
	Name      string `json:"name"`
	Role      Role   `json:"role"`
	Namespace string `json:"namespace,omitempty"` // the project that its work and data count for; empty: none
}

// Uses says whether a principal may let work count for a namespace: for its
// own, and an operator for any.
func (p Principal) Uses(namespace string) bool {
	return namespace == p.Namespace || p.Role.Includes(Operator)
}

// ValidNamespace says whether s can name a namespace: 1 to 64 letters, digits
// and ._@-.
func ValidNamespace(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._@-", r)) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

type principalKey struct{}

// WithPrincipal gives a context that carries p.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf gives the principal that ctx carries; the zero Principal, whose
// role includes nothing, when it carries none.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
