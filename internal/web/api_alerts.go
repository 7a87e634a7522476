package web

import "github.com/sallyport-gate/sallyport/internal/gate"

// alertsJSON is what a tenant is alerted about, in the API.
type alertsJSON struct {
	Revision    int64           `json:"revision"`
	NewAddress  newAddressJSON  `json:"new_address"`
	Refusals    refusalsJSON    `json:"refusals"`
	Elsewhere   switchJSON      `json:"password_elsewhere"`
	ListChanged switchJSON      `json:"list_changed"`
	Operator    switchJSON      `json:"operator"`
	Quiet       int             `json:"quiet_minutes"`
	Emails      []string        `json:"emails"`
	Webhook     *string         `json:"webhook"`
	Language    string          `json:"language"`
	Messages    *alertStateJSON `json:"messages,omitempty"`
	Secret      *string         `json:"secret,omitempty"` // of the webhook, where it is new: this once
}

type newAddressJSON struct {
	Enabled bool `json:"enabled"`
	Days    int  `json:"days"`
}

type refusalsJSON struct {
	Enabled bool `json:"enabled"`
	Count   int  `json:"count"`
	Minutes int  `json:"minutes"`
}

type switchJSON struct {
	Enabled bool `json:"enabled"`
}

type alertStateJSON struct {
	Waiting   int64     `json:"waiting"`
	LastSent  timestamp `json:"last_sent"`
	LastError *string   `json:"last_error"`
	ErrorAt   timestamp `json:"last_error_at"`
	Dropped   int64     `json:"dropped"`
	CanMail   bool      `json:"can_mail"` // the installation has a mail server
}

func showAlerts(r *gate.AlertRules) alertsJSON {
	return alertsJSON{
		Revision: r.Revision, NewAddress: newAddressJSON{r.NewAddress, r.Days}, Refusals: refusalsJSON{r.Refusals, r.Count, r.Minutes},
		Elsewhere: switchJSON{r.Elsewhere}, ListChanged: switchJSON{r.ListChanged}, Operator: switchJSON{r.Operator}, Quiet: r.Quiet, Emails: r.Emails, Webhook: present(r.Webhook), Language: r.Language,
	}
}

func getAlerts(c *call) (any, error) {
	r, state, err := c.h.door.AlertRules(c.Context(), c.actor, c.tenant)
	if err != nil {
		return nil, err
	}
	out := showAlerts(r)
	out.Messages = &alertStateJSON{
		state.Waiting, timestamp(state.LastSent), present(state.LastError), timestamp(state.ErrorAt), state.Dropped, c.h.door.CanMail(),
	}
	return out, nil
}

func putAlerts(c *call) (any, error) {
	d := gate.DefaultAlertRules()
	body := struct {
		Revision    int64          `json:"revision"`
		NewAddress  newAddressJSON `json:"new_address"`
		Refusals    refusalsJSON   `json:"refusals"`
		Elsewhere   switchJSON     `json:"password_elsewhere"`
		ListChanged switchJSON     `json:"list_changed"`
		Operator    switchJSON     `json:"operator"`
		Quiet       int            `json:"quiet_minutes"`
		Emails      []string       `json:"emails"`
		Webhook     string         `json:"webhook"`
		Language    string         `json:"language"`
		NewSecret   bool           `json:"new_secret"`
	}{NewAddress: newAddressJSON{Days: d.Days}, Refusals: refusalsJSON{Count: d.Count, Minutes: d.Minutes}, Operator: switchJSON{d.Operator}, Quiet: d.Quiet, Language: d.Language}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	saved, secret, err := c.h.door.SetAlertRules(c.Context(), c.actor, c.tenant, gate.AlertRules{
		NewAddress: body.NewAddress.Enabled, Days: body.NewAddress.Days,
		Refusals: body.Refusals.Enabled, Count: body.Refusals.Count, Minutes: body.Refusals.Minutes,
		Elsewhere: body.Elsewhere.Enabled, ListChanged: body.ListChanged.Enabled, Operator: body.Operator.Enabled, Quiet: body.Quiet, Emails: body.Emails, Webhook: body.Webhook, Language: body.Language,
		Revision: body.Revision,
	}, body.NewSecret)
	if err != nil {
		return nil, err
	}
	out := showAlerts(saved)
	if secret != nil {
		out.Secret = present(webhookSecret(secret))
	}
	return out, nil
}

// testedJSON is how a test message went on each way.
type testedJSON struct {
	To    string  `json:"to"`
	Error *string `json:"error"` // null: it was taken
}

func postAlertTest(c *call) (any, error) {
	results, err := c.h.door.TestAlerts(c.Context(), c.actor, c.tenant)
	if err != nil {
		return nil, err
	}
	out := list[testedJSON]{Items: make([]testedJSON, len(results))}
	for i, r := range results {
		out.Items[i].To = r.To
		if r.Err != nil {
			out.Items[i].Error = present(r.Err.Error())
		}
	}
	return out, nil
}
