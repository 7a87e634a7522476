package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/sallyport-gate/sallyport/internal/gate"
)

// Exit statuses of the commands, as scripts rely on them. What was refused or
// failed is 1, as for every command of Caddy.
const (
	statusUsage       = 2
	statusNotAdmitted = 3
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "sallyport",
		Usage: "<command>",
		Short: "Manages the Sallyport gate: tenants, people, networks, records",
		Long: `
Manages the gate in front of admin consoles. The commands open its store
directly, so they also work while the gateway is down, and running gateways
take a change up within a second.

Which store: --store names it, --config names the configuration to look it up
in. Without both it is the one of the Caddyfile in the working folder, if there
is one, or else SQLite in Caddy's data folder.

Exit status: 0 done, 1 refused or failed, with one line on standard error that
says what to do, 2 wrong usage; check has 3 for an address that is not admitted.
With --json the output is JSON, with the names of the API.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Example = `  caddy sallyport demo
  caddy sallyport tenant add acme --name "Acme" --host acme.example.com
  caddy sallyport network add acme 203.0.113.0/24 --label "Head office"
  caddy sallyport admin add acme li.na --role owner
  caddy sallyport tenant set acme --mode enforced
  caddy sallyport check acme 203.0.113.7`
			group(cmd, demoCommand(), statusCommand(), tenantCommands(), adminCommands(), networkCommands(), checkCommand(),
				attemptsCommand(), sessionCommands(), tokenCommands(), emergencyCommand(), migrateCommand(), backupCommand(), restoreCommand(), auditCommands(), subjectCommands())
			cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return report(cmd, usage("%w", err)) })
		},
	})
}

// group makes a command that only has others below it. Run by itself, or with
// a word that is none of them, it says which there are.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(below...)
	names := make([]string, len(below))
	for i, sub := range below {
		names[i] = sub.Name()
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return report(cmd, usage("a command is missing: %s", strings.Join(names, ", ")))
		}
		return report(cmd, usage("there is no command %q: %s", args[0], strings.Join(names, ", ")))
	}
	return cmd
}

// leaf makes a command that does something. Its arguments are those of its
// usage line: WORD is required, [WORD] is not.
func leaf(use, short string, run func(*call) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			return report(cmd, checkArgs(strings.Fields(use)[1:], args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return report(cmd, run(&call{cmd: cmd, args: args}))
		},
	}
}

func checkArgs(names, args []string) error {
	if len(args) > len(names) {
		return usage("%q is one argument too many", args[len(names)])
	}
	for _, name := range names[len(args):] {
		if !strings.HasPrefix(name, "[") {
			return usage("%s is missing", name)
		}
	}
	return nil
}

// usageError is wrong usage: nothing was tried.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// errNotAdmitted is the answer of check, which was printed already.
var errNotAdmitted = errors.New("the address is not admitted")

// report ends a command: it prints its error on one line, and returns it with
// the exit status that it has.
func report(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	cmd.SilenceErrors = true
	if errors.Is(err, errNotAdmitted) {
		return exitWith(cmd, statusNotAdmitted)
	}
	var lines *linesError
	_, wrong := errors.AsType[*usageError](err)
	text := printable(explain(err))
	if wrong {
		text += ": see '" + cmd.CommandPath() + " --help'"
	}
	cmd.PrintErrf("%s: %s\n", cmd.CommandPath(), text)
	if errors.As(err, &lines) {
		lines.print(cmd.ErrOrStderr())
	}
	if wrong {
		return exitWith(cmd, statusUsage)
	}
	return err
}

// exitWith returns the error that ends Caddy with a status. Its type is
// Caddy's own, and this is the way to get one.
func exitWith(cmd *cobra.Command, status int) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return status, nil })(cmd, nil)
}

// explain says what is wrong and what to do about it.
func explain(err error) string {
	var conflict *gate.VersionConflict
	var ends *gate.EndsError
	var cover *gate.CoverError
	switch {
	case errors.Is(err, gate.ErrLocksEveryoneOut):
		return err.Error() + ": add or enable an entry first, or set the mode to off or dry_run"
	case errors.As(err, &ends):
		return err.Error() + ": let one go on, or say --accept " + gate.AcceptEnds
	case errors.As(err, &cover):
		return fmt.Sprintf("%s (%s would not): keep their networks, or say --accept %s", err, strings.Join(loginsOf(cover.Losing), ", "), gate.AcceptFewAdmins)
	case errors.As(err, &conflict):
		return fmt.Sprintf("%s (version %d, not %d): look at it and try again", err, conflict.Current, conflict.Base)
	}
	return err.Error()
}

func loginsOf(admins []gate.AdminView) []string {
	logins := make([]string, len(admins))
	for i := range admins {
		logins[i] = admins[i].Login
	}
	return logins
}

// missing turns an error of something that was named into one that says so.
func missing(err error, what, name, see string) error {
	if errors.Is(err, gate.ErrNotFound) {
		return fmt.Errorf("there is no %s %q: see 'caddy sallyport %s'", what, name, see)
	}
	return stored(err)
}

// stored drops the error that this process could not read back what it wrote:
// it is stored, and this process decides no requests.
func stored(err error) error {
	if errors.Is(err, gate.ErrNotYetInForce) {
		return nil
	}
	return err
}

// taken turns gate.ErrExists into a sentence.
func taken(err error, what string) error {
	if errors.Is(err, gate.ErrExists) {
		return fmt.Errorf("there is %s already", what)
	}
	return err
}

// ifGiven is a change that is only made when its flag was given.
func ifGiven[T any](c *call, flag string, value T) *T {
	if !c.given(flag) {
		return nil
	}
	return &value
}
