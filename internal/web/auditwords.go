package web

// actionKeys are the keys of what was done: "action." and the action of a change.
var actionKeys = map[string]bool{
	"action.network.put":       true,
	"action.network.confirm":   true,
	"action.network.undo":      true,
	"action.admin.add":         true,
	"action.admin.invite":      true,
	"action.admin.accept":      true,
	"action.admin.set":         true,
	"action.admin.reset":       true,
	"action.admin.disable":     true,
	"action.admin.sign_out":    true,
	"action.admin.remove":      true,
	"action.admin.password":    true,
	"action.admin.enrol":       true,
	"action.session.end":       true,
	"action.session.end_all":   true,
	"action.session.sign_out":  true,
	"action.token.add":         true,
	"action.token.remove":      true,
	"action.tenant.add":        true,
	"action.tenant.set":        true,
	"action.tenant.remove":     true,
	"action.emergency.open":    true,
	"action.emergency.end":     true,
	"action.request.add":       true,
	"action.request.approve":   true,
	"action.request.decline":   true,
	"action.request.propose":   true,
	"action.attempts.read":     true,
	"action.attempts.export":   true,
	"action.attempts.exported": true,
}

// valueWords are the values of details that have words of their own, by field.
var valueWords = map[string]string{
	"role owner": "role.owner", "role reviewer": "role.reviewer", "role member": "role.member",
	"mode enforced": "mode.enforced", "mode dry_run": "mode.dry_run", "mode off": "mode.off",
	"password none": "audit.password.none", "password first": "audit.password.first", "password own": "audit.password.own",
}

// fieldWords are the names of fields in the details of changes.
var fieldWords = map[string]string{
	"login":                "audit.field.login",
	"name":                 "audit.field.name",
	"role":                 "audit.field.role",
	"disabled":             "audit.field.disabled",
	"password":             "audit.field.password",
	"invited":              "audit.field.invited",
	"second_factor":        "audit.field.second_factor",
	"second_factor_exempt": "audit.field.second_factor_exempt",
	"scopes":               "audit.field.scopes",
	"networks":             "audit.field.networks",
	"expires":              "audit.field.expires",
	"address":              "audit.field.address",
	"started":              "audit.field.started",
	"hosts":                "audit.field.hosts",
	"mode":                 "audit.field.mode",
	"slug":                 "audit.field.slug",
	"reason":               "audit.field.reason",
	"reference":            "audit.field.reference",
	"where":                "audit.field.where",
	"since":                "audit.field.since",
	"until":                "audit.field.until",
	"accept":               "audit.field.accept",
}
