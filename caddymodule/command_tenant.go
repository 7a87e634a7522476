package caddymodule

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

func tenantCommands() *cobra.Command {
	add := onStore(leaf("add TENANT", "Add a tenant; its list is empty", addTenant))
	add.Long = `Adds a tenant, named by a short name of a-z, 0-9 and -. Its list is empty, and
off unless --mode says otherwise: enforced, it admits nobody until the first
network is added.`
	add.Example = `  caddy sallyport tenant add acme --name "Acme" --host acme.example.com
  caddy sallyport tenant add operator --name "Our own people" --host ops.example.com`
	add.Flags().String("name", "", "name as people write it (default: the short name)")
	add.Flags().StringArray("host", nil, "host name of the tenant's console; may be repeated")
	add.Flags().String("mode", "off", "off, dry_run or enforced")

	set := onStore(leaf("set TENANT", "Change name, hosts or mode of a tenant", setTenant))
	set.Long = `Changes what is named. --host replaces all hosts of the tenant, --add-host and
--remove-host change single ones. Changing the mode is an edit of the list, with
the same guards: one that would admit no owner is not enforced. A shorter
retention deletes, and a shorter --shorten-after cuts addresses, for good.`
	set.Example = `  caddy sallyport tenant set acme --mode enforced
  caddy sallyport tenant set acme --add-host console.acme.example
  caddy sallyport tenant set acme --retention 183d --shorten-after 90d --check-passwords on`
	set.Flags().String("name", "", "name as people write it")
	set.Flags().StringArray("host", nil, "host name, instead of those it has; may be repeated")
	set.Flags().StringArray("add-host", nil, "another host name; may be repeated")
	set.Flags().StringArray("remove-host", nil, "host name to take away; may be repeated")
	set.Flags().String("mode", "", "off, dry_run or enforced")
	editFlags(set)
	set.Flags().String("retention", "", "how long attempts are kept, as in 183d; default: as long as the operator allows")
	set.Flags().String("shorten-after", "", "age after which addresses of attempts are cut to /24 and /64, as in 90d, or never")
	set.Flags().String("check-passwords", "", "on or off: record right passwords of sign-ins from outside the list")
	set.Flags().String("access-requests", "", "on or off: who is kept out may ask to be let in")

	remove := onStore(leaf("remove TENANT", "Remove a tenant with its people, list and sessions", removeTenant))
	remove.Long = `Removes a tenant with its people, its list and their sessions. Its attempts and
its change log stay until their retention ends.`

	return group(&cobra.Command{Use: "tenant", Short: "Companies whose people use the console"},
		add,
		onStore(leaf("list", "List the tenants", listTenants)),
		onStore(leaf("show TENANT", "Show a tenant", showTenant)),
		set, remove)
}

// tenantView is a tenant in JSON.
type tenantView struct {
	ID      string       `json:"id"`
	Slug    string       `json:"slug"`
	Name    string       `json:"name"`
	Hosts   []string     `json:"hosts"`
	Mode    gate.Mode    `json:"mode"`
	Version int64        `json:"version"` // of the list
	Pending *pendingView `json:"pending"` // the change of the list that waits to be confirmed
	Created *string      `json:"created"`
	Policy  settingsView `json:"policy"`
}

func (c *call) viewTenant(t *gate.Tenant) tenantView {
	return tenantView{ID: t.ID, Slug: t.Slug, Name: t.Name, Hosts: orEmpty(t.Hosts), Mode: t.Mode, Version: t.Version, Pending: viewPending(c.Pending(t.ID)), Created: stampOrNull(t.Created),
		Policy: viewSettings(&t.Settings)}
}

func addTenant(c *call) error {
	return c.withNew(func() error {
		t, err := c.AddTenant(c.ctx(), c.by, gate.Tenant{
			Slug: c.arg(0), Name: c.text("name"), Hosts: c.list("host"), Mode: gate.Mode(c.text("mode")),
		})
		if err := taken(stored(err), "a tenant with this short name or one of its hosts"); err != nil {
			return err
		}
		return c.print(c.viewTenant(t), func(w io.Writer) {
			line(w, "Added the tenant %s (%s), mode %s.", t.Slug, t.Name, t.Mode)
			if t.Mode == gate.ModeEnforced {
				line(w, "Its list is empty, so nobody gets in: add a network with 'caddy sallyport network add %s …'.", t.Slug)
			}
		})
	})
}

func listTenants(c *call) error {
	return c.with(func() error {
		tenants, err := c.Tenants(c.ctx(), c.by)
		if err != nil {
			return err
		}
		views := make([]tenantView, len(tenants))
		for i := range tenants {
			views[i] = c.viewTenant(&tenants[i])
		}
		return c.print(items[tenantView]{views}, func(w io.Writer) {
			row(w, "TENANT", "NAME", "MODE", "LIST", "HOSTS")
			for _, t := range tenants {
				row(w, t.Slug, t.Name, t.Mode, t.Version, strings.Join(t.Hosts, " "))
			}
		})
	})
}

func showTenant(c *call) error {
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		return c.showTenant(t)
	})
}

func (c *call) showTenant(t *gate.Tenant) error {
	return c.print(c.viewTenant(t), func(w io.Writer) {
		row(w, "tenant", t.Slug)
		row(w, "name", t.Name)
		row(w, "hosts", strings.Join(t.Hosts, " "))
		row(w, "mode", t.Mode)
		row(w, "list version", t.Version)
		viewSettings(&t.Settings).print(w)
		row(w, "created", stamp(t.Created))
		row(w, "id", t.ID)
		viewPending(c.Pending(t.ID)).print(w, t.Slug)
	})
}

func setTenant(c *call) error {
	single := c.given("add-host") || c.given("remove-host")
	switch {
	case single && c.given("host"):
		return usage("--host replaces all hosts: give it, or --add-host and --remove-host")
	case !single && !c.given("host") && !c.given("name") && !c.given("mode") && !c.givenSettings():
		return usage("there is nothing to change: give --name, --mode, --host, --add-host, --remove-host, or what 'tenant set --help' lists")
	case !c.given("mode") && (c.given("reason") || c.given("confirm-within") || c.given("accept")):
		return usage("--reason, --confirm-within and --accept belong to --mode")
	}
	options, err := c.editOptions()
	if err != nil {
		return err
	}
	choose, err := c.settings()
	if err != nil {
		return err
	}
	return c.with(func() error {
		t, err := c.tenant(c.arg(0))
		if err != nil {
			return err
		}
		if t, err = c.choose(t, choose); err != nil {
			return err
		}
		patch := gate.TenantPatch{Name: ifGiven(c, "name", c.text("name")), Mode: ifGiven(c, "mode", gate.Mode(c.text("mode"))), Edit: options}
		switch {
		case c.given("host"):
			patch.Hosts = c.list("host")
		case single:
			if patch.Hosts, err = changeHosts(t.Hosts, c.list("add-host"), c.list("remove-host")); err != nil {
				return err
			}
		}
		before := t
		t, err = c.SetTenant(c.ctx(), c.by, t.Slug, patch)
		if err := taken(stored(err), "a tenant with one of these hosts"); err != nil {
			return c.waiting(err, before)
		}
		return c.showTenant(t)
	})
}

// changeHosts adds and takes away host names, however they are spelled.
func changeHosts(hosts, add, remove []string) ([]string, error) {
	out := append([]string{}, hosts...)
	for _, name := range remove {
		host, err := gate.CanonicalHost(name)
		i := slices.Index(out, host)
		if err != nil || i < 0 {
			return nil, gate.Invalid("remove-host", "unknown", "the tenant has no host %q", name)
		}
		out = slices.Delete(out, i, i+1)
	}
	return append(out, add...), nil
}

func removeTenant(c *call) error {
	return c.with(func() error {
		slug := c.arg(0)
		if err := missing(c.RemoveTenant(c.ctx(), c.by, slug), "tenant", slug, "tenant list"); err != nil {
			return err
		}
		return c.print(removed{slug}, func(w io.Writer) {
			line(w, "Removed the tenant %s with its people, its list and their sessions.", slug)
		})
	})
}
