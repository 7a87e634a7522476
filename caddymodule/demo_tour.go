package caddymodule

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sallyport-gate/sallyport/internal/gate"
	"github.com/sallyport-gate/sallyport/internal/store"
)

// printTour prints who may sign in, and what to try.
func (d *demo) printTour(out io.Writer) {
	fmt.Fprintf(out, `Sallyport demo, until Ctrl-C. Everything in it is a sample.

  %s    admits this computer: sign in
  %s  admits 198.51.100.0/24 only: you are blocked
  %s  is of those who run the gateway: they see the others

`, d.site("acme"), d.site("globex"), d.site(gate.OperatorTenant))
	d.printPeople(out)
	d.printNotes(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nThings to try in another terminal:")
	for _, step := range d.tour() {
		fmt.Fprintf(w, "\n  %s\n", step.what)
		for _, command := range step.commands {
			fmt.Fprintf(w, "    %s\n", command)
		}
	}
	w.Flush()
	fmt.Fprintln(out, "\nRefusals are logged below as they happen.")
}

func (d *demo) printPeople(out io.Writer) {
	if !d.fresh {
		fmt.Fprintf(out, "The people and passwords are those of the store, which was there already. For a new password:\n    %s\n",
			d.command("admin reset acme "+demoPeople[0].login))
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row(w, "  ORGANIZATION", "LOGIN", "PASSWORD", "ROLE")
	for _, p := range d.people {
		row(w, "  "+p.tenant, p.login, p.password, p.role)
	}
	w.Flush()
}

func (d *demo) printNotes(out io.Writer) {
	if d.plain {
		fmt.Fprint(out, `
Without TLS, for tests only: the cookies are still Secure and __Host-, and many browsers
and curl do not send such cookies without TLS.
`)
	} else {
		fmt.Fprintf(out, `
Browsers warn of the certificate: this demo's own root is not installed anywhere. It is
    %s
`, d.rootFile())
	}
	fmt.Fprint(out, `
The demo believes X-Forwarded-For from 127.0.0.1, and from nobody else, so that you can
come from other addresses; without the header (without_header peer) you come from your
own. A real installation believes only its proxies. A second factor is optional here.
`)
}

// step is one thing to try.
type step struct {
	what     string
	commands []string
}

func (d *demo) tour() []step {
	acme, globex, operator := d.site("acme"), d.site("globex"), d.site(gate.OperatorTenant)
	curl := "curl -k "
	if d.plain {
		curl = "curl "
	}
	login, password := demoPeople[0].login, "PASSWORD"
	if d.fresh {
		password = d.people[0].password
	}
	visitor := "-H 'X-Forwarded-For: 198.51.100.99' "
	return []step{
		{"Sign in as " + login + " and keep the list: take the head office away in a draft, and read who would be cut off before you apply it.", []string{
			acme + "/_sallyport/networks",
		}},
		{"Ask to be let in, as somebody who is kept out; answer as " + login + ", and come again.", []string{
			curl + "-i " + visitor + acme + "/",
			curl + visitor + `-H 'Content-Type: application/json' -d '{"reference":"SP-…","login":"mo.diaz","why":"At a customer","for":"8h"}' ` + acme + "/_sallyport/api/v1/requests",
			acme + "/_sallyport/requests",
		}},
		{"Come from elsewhere: the head office is in the list, an attacker is not.", []string{
			curl + "-i -H 'X-Forwarded-For: 203.0.113.7' " + acme + "/",
			curl + "-i -H 'X-Forwarded-For: " + demoAttackers()[0].String() + "' " + acme + "/",
		}},
		{"Ask why, with the reference of that answer, and look at who knocked.", []string{
			d.command("attempts SP-…"),
			d.command("attempts --tenant acme --since 24h"),
			d.command("attempts --follow"),
		}},
		{"Ask before somebody is blocked.", []string{d.command("check acme 203.0.113.7"), d.command("check globex 127.0.0.1")}},
		{"Open the page of " + acme + ", where two clocks run, and take its network away: within a second they stop.", []string{
			d.command("network remove acme 127.0.0.1"),
			d.command(`network add acme 127.0.0.1 --label "This computer"`),
		}},
		{"Open globex for this computer in an emergency, and read there that it was done.", []string{
			d.command(`emergency globex --address 127.0.0.1 --for 15m --why "trying it"`),
			globex + "/_sallyport/networks",
		}},
		{"Sign in as " + demoPeople[len(demoPeople)-1].login + ", who runs the gateway: all tenants, the health of everything, and a look at acme that its owners can see.", []string{
			operator + "/_sallyport/operator/tenants",
			operator + "/_sallyport/operator/health",
			acme + "/_sallyport/audit",
		}},
		{"Let yourself in to globex for ten minutes.", []string{
			d.command(`network add globex 127.0.0.1 --label "Me, trying" --expires 10m`),
			curl + "-i " + globex + "/",
		}},
		{"Sign in by program, and see what the console behind is told.", []string{
			curl + `-c jar -H 'Content-Type: application/json' -d '{"login":"` + login + `","password":"` + password + `"}' ` + acme + "/_sallyport/login",
			curl + "-b jar " + acme + "/",
		}},
		{"End everything that " + login + " has open.", []string{d.command("admin sign-out acme " + login)}},
	}
}

// command is one of ours on the demo's store.
func (d *demo) command(words string) string {
	text := program() + " sallyport " + words + " --store " + shellQuote(strings.TrimPrefix(store.Redact(d.at.dsn), "sqlite:"))
	if d.secretFile != "" {
		text += " --secret-file " + shellQuote(d.secretFile)
	}
	return text
}

func shellQuote(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:@%+=") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
