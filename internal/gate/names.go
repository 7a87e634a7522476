package gate

// Names returns what the admins of a tenant are called, by their ids, as this
// node knows them: the name, or the login of who has none. Entries and drafts
// name people by their ids.
func (g *Gate) Names(by Actor, tenant string) (map[string]string, error) {
	if err := by.may(tenant, RoleOwner, RoleReviewer); err != nil {
		return nil, err
	}
	t := g.snap.byID(tenant)
	if t == nil {
		return nil, ErrNotFound
	}
	names := make(map[string]string, len(t.admins))
	for id, a := range t.admins {
		if names[id] = a.Name; a.Name == "" {
			names[id] = a.Login
		}
	}
	return names, nil
}
