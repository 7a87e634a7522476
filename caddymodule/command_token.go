package caddymodule

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func tokenCommands() *cobra.Command {
	add := onStore(leaf("add TENANT NAME", "Make a token for scripts and print it, once", addToken))
	add.Long = `Makes a token with which a script uses the API of one tenant. It is printed this
once: the store only keeps its hash. Scopes: networks:read; networks:write, which
may read them as well; attempts:read, attempts and the change log; admins:write,
people and sessions, which is as good as being an owner.`
	add.Example = `  caddy sallyport token add acme backup --scope networks:read --expires 90d
  caddy sallyport token add acme siem --scope attempts:read --network 198.51.100.7`
	add.Flags().StringArray("scope", nil, "what it may do; can be repeated; required")
	add.Flags().StringArray("network", nil, "address, CIDR or range it is admitted from, instead of the tenant's list; can be repeated")
	add.Flags().String("expires", "", "duration (8h, 90d) or time from which on it counts for nothing; without it, never")
	return group(&cobra.Command{Use: "token", Short: "Tokens for scripts that use the API"},
		add,
		onStore(leaf("list TENANT", "List the tokens of a tenant, without their secrets", listTokens)),
		onStore(leaf("remove TENANT NAME", "Make a token, named by its name or id, count no more", removeToken)))
}

// tokenView is a token in JSON, as the API shows it.
type tokenView struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Scopes      []gate.Scope `json:"scopes"`
	Networks    []string     `json:"networks"`
	Created     *string      `json:"created"`
	CreatedBy   string       `json:"created_by"`
	Expires     *string      `json:"expires"`
	LastUsed    *string      `json:"last_used"`
	LastAddress *string      `json:"last_address"`
	Token       string       `json:"token,omitempty"` // this once
}

func viewToken(t *gate.APIToken) tokenView {
	v := tokenView{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes, Networks: []string{}, Created: stampOrNull(t.Created), CreatedBy: t.CreatedBy,
		Expires: stampOrNull(t.Expires), LastUsed: stampOrNull(t.LastUsed), LastAddress: present(addrText(t.LastAddress)),
	}
	for _, r := range t.Networks {
		v.Networks = append(v.Networks, r.String())
	}
	return v
}

func addToken(c *call) error {
	n := gate.NewToken{Name: c.arg(1), Networks: c.list("network")}
	for _, scope := range c.list("scope") {
		n.Scopes = append(n.Scopes, gate.Scope(scope))
	}
	if len(n.Scopes) == 0 {
		return usage("--scope is missing: say what the token may do, such as networks:read")
	}
	var err error
	if n.Expires, err = c.moment("expires", 1); err != nil {
		return err
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		made, secret, err := c.AddToken(c.ctx(), c.by, t.ID, n)
		if err := taken(stored(err), fmt.Sprintf("a token %q in %s", n.Name, t.Slug)); err != nil {
			return err
		}
		view := viewToken(made)
		view.Token = secret
		return c.print(view, func(w io.Writer) {
			line(w, "Made the token %s of %s.", made.Name, t.Slug)
			line(w, "Shown this once, for the header Authorization: Bearer %s", secret)
		})
	})
}

func listTokens(c *call) error {
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		tokens, err := c.Tokens(c.ctx(), c.by, t.ID)
		if err != nil {
			return err
		}
		views := make([]tokenView, len(tokens))
		for i := range tokens {
			views[i] = viewToken(&tokens[i])
		}
		return c.print(items[tokenView]{views}, func(w io.Writer) {
			row(w, "NAME", "SCOPES", "NETWORKS", "EXPIRES", "LAST USED", "FROM", "ID")
			for i := range tokens {
				t, v := &tokens[i], &views[i]
				networks := strings.Join(v.Networks, " ")
				if networks == "" {
					networks = "those of the list"
				}
				row(w, v.Name, strings.Join(textsOf(v.Scopes), " "), networks, stamp(t.Expires), stamp(t.LastUsed), addrText(t.LastAddress), v.ID)
			}
		})
	})
}

// textsOf are names of a closed list as texts.
func textsOf[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = string(name)
	}
	return out
}

func removeToken(c *call) error {
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		if err := missing(c.RemoveToken(c.ctx(), c.by, t.ID, c.arg(1)), "token", c.arg(1), "token list "+t.Slug); err != nil {
			return err
		}
		return c.print(removed{c.arg(1)}, func(w io.Writer) { line(w, "Removed the token %s: it counts no more.", c.arg(1)) })
	})
}
