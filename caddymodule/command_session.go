package caddymodule

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func sessionCommands() *cobra.Command {
	list := onStore(leaf("list [TENANT]", "List running sessions, of one tenant or of all", listSessions))
	list.Flags().String("admin", "", "only of this login; needs TENANT")
	list.Flags().Int("limit", 100, "how many; 0: all")
	end := onStore(leaf("end ID", "End a session, on every node within a second", endSession))
	return group(&cobra.Command{Use: "session", Short: "Signed-in browsers"}, list, end)
}

// sessionView is a session in JSON, as the API shows it.
type sessionView struct {
	ID          string  `json:"id"`
	Tenant      string  `json:"tenant"`
	Login       string  `json:"login"`
	AdminID     string  `json:"admin_id"`
	Started     *string `json:"started"`
	LastSeen    *string `json:"last_seen"`
	Expires     *string `json:"expires"`
	Address     *string `json:"address"` // of the sign-in
	LastAddress *string `json:"last_address"`
	UserAgent   string  `json:"user_agent"`
}

func listSessions(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	if c.given("admin") && c.arg(0) == "" {
		return usage("--admin needs the tenant, too")
	}
	return c.with(func() error {
		f := gate.SessionFilter{Limit: limit}
		if c.arg(0) != "" {
			t, err := c.tenant(c.arg(0))
			if err != nil {
				return err
			}
			f.Tenant = t.ID
		}
		if c.given("admin") {
			a, err := c.store.AdminByLogin(c.ctx(), f.Tenant, gate.CanonicalLogin(c.text("admin")))
			if err := missing(err, "admin", c.text("admin"), "admin list "+c.arg(0)); err != nil {
				return err
			}
			f.Admin = a.ID
		}
		sessions, err := c.Sessions(c.ctx(), c.by, f)
		if err != nil {
			return err
		}
		return c.printSessions(sessions)
	})
}

func (c *call) viewSession(s *gate.Session) sessionView {
	return sessionView{
		ID: s.ID, Tenant: c.slug(s.Tenant), Login: s.Login, AdminID: s.Admin, Started: stampOrNull(s.Started), LastSeen: stampOrNull(s.LastSeen),
		Expires: stampOrNull(s.Expires), Address: present(addrText(s.Address)), LastAddress: present(addrText(s.LastAddress)), UserAgent: s.UserAgent,
	}
}

func (c *call) printSessions(sessions []gate.Session) error {
	views := make([]sessionView, len(sessions))
	for i := range sessions {
		views[i] = c.viewSession(&sessions[i])
	}
	return c.print(items[sessionView]{views}, func(w io.Writer) {
		row(w, "TENANT", "LOGIN", "STARTED", "LAST SEEN", "EXPIRES", "FROM", "BROWSER", "ID")
		for i := range sessions {
			s, v := &sessions[i], &views[i]
			row(w, v.Tenant, v.Login, stamp(s.Started), stamp(s.LastSeen), stamp(s.Expires), addrText(s.LastAddress), v.UserAgent, v.ID)
		}
	})
}

// slug names a tenant by its id. Records outlive the tenants they are about.
func (c *call) slug(id string) string {
	if t := c.TenantByID(id); t != nil {
		return t.Slug
	}
	return id
}

func endSession(c *call) error {
	return c.with(func() error {
		if err := missing(c.EndSession(c.ctx(), c.by, c.arg(0), ""), "running session", c.arg(0), "session list"); err != nil {
			return err
		}
		return c.print(removed{c.arg(0)}, func(w io.Writer) { line(w, "Ended the session %s.", c.arg(0)) })
	})
}
