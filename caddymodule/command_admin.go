package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/web"
)

const passwordHelp = "read the first password from standard input, one line; otherwise one is made and printed"

func adminCommands() *cobra.Command {
	add := onStore(leaf("add TENANT LOGIN", "Add a person and print the first password, once", addAdmin))
	add.Long = `Adds a person who may sign in. The first password, made and printed once or read
from standard input, has to be replaced at the first sign-in.`
	add.Example = `  caddy sallyport admin add acme li.na --role owner --name "Li Na"
  pass show acme/li.na | caddy sallyport admin add acme li.na --role owner --password-stdin`
	add.Flags().String("role", "", "owner (everything in the tenant), reviewer (reads, may end sessions) or member; required")
	add.Flags().String("name", "", "name as people write it")
	add.Flags().Bool("password-stdin", false, passwordHelp)
	add.Flags().Bool("no-second-factor", false, "needs no second factor, even where one is required")

	invite := onStore(leaf("invite TENANT LOGIN", "Add a person and print a link to set the first password with, once", inviteAdmin))
	invite.Long = `Adds a person, or lets one who is there set another password, by a link that works
once, for 24 hours, from where the list admits. Nobody but the person learns the
password. With an existing person all sessions end.`
	invite.Flags().String("role", "", "owner, reviewer or member; required for a new person")
	invite.Flags().String("name", "", "name as people write it")

	set := onStore(leaf("set TENANT LOGIN", "Change name, role or second factor of a person", setAdmin))
	set.Flags().String("role", "", "owner, reviewer or member")
	set.Flags().String("name", "", "name as people write it")
	set.Flags().Bool("no-second-factor", false, "needs no second factor; =false: needs one where it is required")

	reset := onStore(leaf("reset TENANT LOGIN", "Give a new first password, or forget the second factor; ends all sessions", resetAdmin))
	reset.Long = `Gives a person a new first password, which has to be replaced at the next
sign-in. With --second-factor it forgets the second factor and the recovery
codes instead; with --password-stdin as well, both. All sessions end.`
	reset.Flags().Bool("password-stdin", false, passwordHelp)
	reset.Flags().Bool("second-factor", false, "forget the second factor and the recovery codes, for a lost device")

	return group(&cobra.Command{Use: "admin", Short: "People who sign in"},
		add,
		invite,
		onStore(leaf("list TENANT", "List the people of a tenant", listAdmins)),
		set,
		onStore(leaf("disable TENANT LOGIN", "Let a person sign in no more; ends all sessions", patchAdmin("Disabled %s; all sessions are ended.", gate.AdminPatch{Disabled: new(true)}))),
		onStore(leaf("enable TENANT LOGIN", "Let a disabled person sign in again", patchAdmin("Enabled %s.", gate.AdminPatch{Disabled: new(false)}))),
		reset,
		onStore(leaf("sign-out TENANT LOGIN", "End all sessions of a person", patchAdmin("Ended all sessions of %s.", gate.AdminPatch{SignOut: true}))),
		onStore(leaf("remove TENANT LOGIN", "Remove a person; ends all sessions", removeAdmin)))
}

// adminView is a person in JSON.
type adminView struct {
	ID                 string    `json:"id"`
	Login              string    `json:"login"`
	Name               string    `json:"name"`
	Role               gate.Role `json:"role"`
	Disabled           bool      `json:"disabled"`
	SecondFactor       bool      `json:"second_factor"`        // has enrolled one
	SecondFactorExempt bool      `json:"second_factor_exempt"` // needs none
	MustChange         bool      `json:"must_change_password"`
	Created            *string   `json:"created"`
	LastSignIn         *string   `json:"last_sign_in"`
	Password           string    `json:"password,omitempty"` // the first one, where it was made
}

func viewAdmin(a *gate.Admin) adminView {
	return adminView{
		ID: a.ID, Login: a.Login, Name: a.Name, Role: a.Role, Disabled: a.Disabled, SecondFactor: a.TOTP != "",
		SecondFactorExempt: a.Exempt, MustChange: a.MustChange, Created: stampOrNull(a.Created), LastSignIn: stampOrNull(a.LastSignIn),
	}
}

func addAdmin(c *call) error {
	if !c.given("role") {
		return usage("--role is missing: owner, reviewer or member")
	}
	password, err := c.readPassword()
	if err != nil {
		return err
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		a, made, err := c.AddAdmin(c.ctx(), c.by, t.ID, gate.NewAdmin{
			Login: c.arg(1), Name: c.text("name"), Role: gate.Role(c.text("role")), Password: password, Exempt: c.on("no-second-factor"),
		})
		if err := taken(stored(err), fmt.Sprintf("an admin %q in %s", c.arg(1), t.Slug)); err != nil {
			return err
		}
		return c.printAdmin(a, password, made, fmt.Sprintf("Added %s to %s as %s.", a.Login, t.Slug, a.Role))
	})
}

// inviteAdmin invites a new person, or somebody whose password is to be reset.
func inviteAdmin(c *call) error {
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		var a *gate.Admin
		var secret string
		if c.given("role") {
			a, secret, err = c.Invite(c.ctx(), c.by, t.ID, gate.NewAdmin{Login: c.arg(1), Name: c.text("name"), Role: gate.Role(c.text("role"))})
			err = taken(stored(err), fmt.Sprintf("an admin %q in %s", c.arg(1), t.Slug))
		} else {
			a, secret, err = c.SetAdmin(c.ctx(), c.by, t.ID, c.arg(1), gate.AdminPatch{Name: ifGiven(c, "name", c.text("name")), Invite: true})
			err = missing(err, "admin", c.arg(1), "admin list "+t.Slug+"; a new one needs --role")
		}
		if err != nil {
			return err
		}
		link := web.InvitationPath(secret)
		if len(t.Hosts) > 0 {
			link = "https://" + t.Hosts[0] + link
		}
		view := struct {
			adminView
			Link  string  `json:"link"`
			Until *string `json:"until"`
		}{viewAdmin(a), link, stampOrNull(a.InvitedUntil)}
		return c.print(view, func(w io.Writer) {
			line(w, "Invited %s to %s as %s, until %s.", a.Login, t.Slug, a.Role, stamp(a.InvitedUntil))
			line(w, "Shown this once: %s", link)
		})
	})
}

// printAdmin prints what became of a person, with the first password if it was
// made here: somebody who gave it knows it.
func (c *call) printAdmin(a *gate.Admin, given, made, sentence string) error {
	view := viewAdmin(a)
	if given == "" {
		view.Password = made
	}
	return c.print(view, func(w io.Writer) {
		line(w, "%s", sentence)
		if view.Password != "" {
			line(w, "First password, shown this once and to be replaced at the next sign-in: %s", view.Password)
		}
	})
}

// readPassword reads one line of standard input where that is asked for.
func (c *call) readPassword() (string, error) {
	if !c.on("password-stdin") {
		return "", nil
	}
	text, err := bufio.NewReader(io.LimitReader(c.cmd.InOrStdin(), 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	if text = strings.TrimRight(text, "\r\n"); text == "" {
		return "", errors.New("standard input has no password: write it as its first line")
	}
	return text, nil
}

func listAdmins(c *call) error {
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		admins, err := c.Admins(c.ctx(), c.by, t.ID)
		if err != nil {
			return err
		}
		views := make([]adminView, len(admins))
		for i := range admins {
			views[i] = viewAdmin(&admins[i])
		}
		return c.print(items[adminView]{views}, func(w io.Writer) {
			row(w, "LOGIN", "NAME", "ROLE", "STATE", "SECOND FACTOR", "LAST SIGN-IN", "ID")
			for i := range admins {
				a := &admins[i]
				row(w, a.Login, a.Name, a.Role, adminState(a), secondFactor(a), stamp(a.LastSignIn), a.ID)
			}
		})
	})
}

func adminState(a *gate.Admin) string {
	switch {
	case a.Disabled:
		return "disabled"
	case a.Password == "":
		return "invited"
	case a.MustChange:
		return "first password"
	}
	return "active"
}

func secondFactor(a *gate.Admin) string {
	switch {
	case a.TOTP != "":
		return "yes"
	case a.Exempt:
		return "exempt"
	}
	return "none yet"
}

func setAdmin(c *call) error {
	p := gate.AdminPatch{
		Name: ifGiven(c, "name", c.text("name")), Role: ifGiven(c, "role", gate.Role(c.text("role"))),
		Exempt: ifGiven(c, "no-second-factor", c.on("no-second-factor")),
	}
	if p == (gate.AdminPatch{}) {
		return usage("there is nothing to change: give --name, --role or --no-second-factor")
	}
	return patchAdmin("Changed %s.", p)(c)
}

func resetAdmin(c *call) error {
	p := gate.AdminPatch{NoFactor: c.on("second-factor")}
	password, err := c.readPassword()
	if err != nil {
		return err
	}
	if password != "" || !p.NoFactor {
		p.Password = &password
	}
	return patchAdmin("Reset %s; all sessions are ended.", p)(c)
}

// patchAdmin makes the command that changes a person in one way.
func patchAdmin(sentence string, p gate.AdminPatch) func(*call) error {
	return func(c *call) error {
		return c.with(func() error {
			t, err := c.tenant(c.arg(0))
			if err != nil {
				return err
			}
			a, made, err := c.SetAdmin(c.ctx(), c.by, t.ID, c.arg(1), p)
			if err := missing(err, "admin", c.arg(1), "admin list "+t.Slug); err != nil {
				return err
			}
			given := ""
			if p.Password != nil {
				given = *p.Password
			}
			return c.printAdmin(a, given, made, fmt.Sprintf(sentence, a.Login))
		})
	}
}

func removeAdmin(c *call) error {
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		if err := missing(c.RemoveAdmin(c.ctx(), c.by, t.ID, c.arg(1)), "admin", c.arg(1), "admin list "+t.Slug); err != nil {
			return err
		}
		return c.print(removed{c.arg(1)}, func(w io.Writer) { line(w, "Removed %s; all sessions are ended.", c.arg(1)) })
	})
}
