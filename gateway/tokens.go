package gateway

import (
	"net/http"
	"time"

	"fringe/auth"
	"fringe/client"
)

func (g *Gateway) listTokens(r *http.Request) (answer, error) {
	tokens, err := g.auth.List(r.Context())
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Token]{Items: []client.Token{}}
	for _, t := range tokens {
		page.Items = append(page.Items, wireToken(t, ""))
	}
	return ok(page), nil
}

func wireToken(t auth.Token, secret string) client.Token {
	return client.Token{ID: t.ID, Name: t.Name, Role: t.Role, Namespace: t.Namespace, Created: t.Created, Expires: optional(t.Expires), Used: optional(t.Used), Secret: secret}
}

func (g *Gateway) createToken(r *http.Request) (answer, error) {
	var body client.CreateToken
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	secret, t, err := g.auth.Create(r.Context(), auth.Grant{Name: body.Name, Role: body.Role, Namespace: body.Namespace, For: time.Duration(body.Days * 24 * float64(time.Hour))})
	if err != nil {
		return answer{}, err
	}
	return created(wireToken(t, secret)), nil
}

func (g *Gateway) revokeToken(r *http.Request) (answer, error) {
	return none(), g.auth.Revoke(r.Context(), r.PathValue("token"))
}
