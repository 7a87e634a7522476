-- One text for SQLite and PostgreSQL. SQLite gives BYTEA numeric affinity,
-- which never touches a BLOB, and BOOLEAN likewise. Times are unix µs, 0 is
-- none; addresses are 4 or 16 bytes, NULL is unknown; ids are made by the
-- program.

-- +goose Up

-- One row: what belongs to the whole installation.
CREATE TABLE installation (
	id          BIGINT PRIMARY KEY,
	fingerprint TEXT   NOT NULL, -- of the secret; empty: not chosen yet
	epoch       BIGINT NOT NULL  -- sessions of an earlier one are ended
);
INSERT INTO installation (id, fingerprint, epoch) VALUES (1, '', 1);

-- Pairs of keys, encrypted. The number and not the time says which is newest,
-- since the clocks of two nodes differ.
CREATE TABLE key_pairs (
	number    BIGINT PRIMARY KEY,
	created   BIGINT NOT NULL,
	session   TEXT   NOT NULL, -- id of the key that signs sessions
	assertion TEXT   NOT NULL, -- id of the key that signs assertions
	session_key   BYTEA NOT NULL,
	assertion_key BYTEA NOT NULL
);

-- The last position given away and the hash there. The last statements of each
-- transaction take the next one, so that positions have no gaps and become
-- visible in order.
CREATE TABLE change_counter (
	stream BIGINT PRIMARY KEY,
	pos    BIGINT NOT NULL,
	hash   BYTEA             -- NULL before the first change
);
INSERT INTO change_counter (stream, pos) VALUES (1, 0);

CREATE TABLE change_log (
	stream   BIGINT NOT NULL,
	pos      BIGINT NOT NULL,
	id       TEXT   NOT NULL,
	kind     TEXT   NOT NULL,
	action   TEXT   NOT NULL,
	tenant   TEXT   NOT NULL, -- outlives the tenant
	subject  TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	made     BIGINT NOT NULL,
	actor    TEXT   NOT NULL,
	actor_id TEXT   NOT NULL,
	address  BYTEA,
	detail   TEXT   NOT NULL, -- JSON
	key      BYTEA,           -- makes the salts of the texts that the hash covers; NULL once one was erased
	leaves   TEXT   NOT NULL, -- JSON: the salts of those that remain, instead of the key
	hash     BYTEA  NOT NULL, -- of this row and the hash before it
	PRIMARY KEY (stream, pos)
);
CREATE INDEX change_log_tenant ON change_log (tenant, pos);

CREATE TABLE tenants (
	id       TEXT   PRIMARY KEY,
	slug     TEXT   NOT NULL UNIQUE,
	name     TEXT   NOT NULL,
	mode     TEXT   NOT NULL,
	version  BIGINT NOT NULL,
	revision BIGINT NOT NULL, -- of what the guards have to see together: the list, and who is owner
	epoch    BIGINT NOT NULL,
	created  BIGINT NOT NULL
);

-- What the owners of a tenant chose beside its list. No row: nothing yet.
-- Spans are µs, 0 is none.
CREATE TABLE tenant_settings (
	tenant        TEXT    PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
	version       BIGINT  NOT NULL,
	retention_us  BIGINT  NOT NULL,
	shorten_us    BIGINT  NOT NULL,
	check_outside BOOLEAN NOT NULL,
	no_requests   BOOLEAN NOT NULL
);

-- What one node at a time does for all.
CREATE TABLE chores (
	name   TEXT   PRIMARY KEY,
	holder TEXT   NOT NULL,
	ends   BIGINT NOT NULL -- whoever wants it then may have it
);

CREATE TABLE hosts (
	host    TEXT   PRIMARY KEY,
	tenant  TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	ordinal BIGINT NOT NULL
);
CREATE INDEX hosts_tenant ON hosts (tenant, ordinal);

CREATE TABLE list_versions (
	tenant   TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	version  BIGINT NOT NULL,
	mode     TEXT   NOT NULL,
	made     BIGINT NOT NULL,
	made_by  TEXT   NOT NULL,
	reason   TEXT   NOT NULL,
	accepted TEXT   NOT NULL, -- JSON: what the editor overrode
	undoes   BIGINT NOT NULL, -- the version that this one undoes; 0: none
	restores BIGINT NOT NULL, -- the version whose entries these are; 0: none
	added    BIGINT NOT NULL,
	removed  BIGINT NOT NULL,
	changed  BIGINT NOT NULL,
	PRIMARY KEY (tenant, version)
);

-- Changes of lists that are undone when nobody confirms them: of each tenant
-- its newest version, if that.
CREATE TABLE pending_changes (
	tenant  TEXT   PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
	version BIGINT NOT NULL,
	base    BIGINT NOT NULL, -- the version that comes back
	ends    BIGINT NOT NULL,
	admin   TEXT   NOT NULL, -- id; empty: a command
	login   TEXT   NOT NULL,
	reason  TEXT   NOT NULL
);

-- Addresses that get in beside the list for a short time.
CREATE TABLE emergencies (
	id      TEXT   PRIMARY KEY,
	tenant  TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	address BYTEA  NOT NULL,
	ends    BIGINT NOT NULL,
	reason  TEXT   NOT NULL,
	made    BIGINT NOT NULL,
	made_by TEXT   NOT NULL,
	ended   BIGINT NOT NULL  -- before its time; 0: it was not
);
CREATE INDEX emergencies_tenant ON emergencies (tenant, ends);

-- Entries of lists, one row for each span of versions in which an entry stayed
-- as it is: from_version is the first, to_version the first in which it is
-- different or gone, NULL while the row is in force.
CREATE TABLE networks (
	tenant       TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	id           TEXT    NOT NULL,
	from_version BIGINT  NOT NULL,
	to_version   BIGINT,
	ordinal      BIGINT  NOT NULL, -- order of entries made in one moment
	range        TEXT    NOT NULL, -- canonical
	label        TEXT    NOT NULL,
	note         TEXT    NOT NULL,
	owner        TEXT    NOT NULL,
	enabled      BOOLEAN NOT NULL,
	not_before   BIGINT  NOT NULL,
	expires      BIGINT  NOT NULL,
	roles        TEXT    NOT NULL, -- JSON
	admins       TEXT    NOT NULL, -- JSON
	created      BIGINT  NOT NULL,
	created_by   TEXT    NOT NULL,
	PRIMARY KEY (tenant, id, from_version)
);
CREATE INDEX networks_in_force ON networks (tenant) WHERE to_version IS NULL;

CREATE TABLE admins (
	id           TEXT    PRIMARY KEY,
	tenant       TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	login        TEXT    NOT NULL,
	login_key    TEXT    NOT NULL, -- canonical
	name         TEXT    NOT NULL,
	role         TEXT    NOT NULL,
	disabled     BOOLEAN NOT NULL,
	epoch        BIGINT  NOT NULL,
	revision     BIGINT  NOT NULL,
	password     BYTEA,            -- encrypted, as totp and pending are
	must_change  BOOLEAN NOT NULL,
	exempt       BOOLEAN NOT NULL,
	totp         BYTEA,
	totp_step    BIGINT  NOT NULL,
	pending      BYTEA,
	invitation   BYTEA UNIQUE,     -- hash of the link to set a password with
	invited_until BIGINT NOT NULL,
	created      BIGINT  NOT NULL,
	last_sign_in BIGINT  NOT NULL,
	UNIQUE (tenant, login_key)
);

-- Lists that owners are still editing, one for each.
CREATE TABLE drafts (
	tenant   TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	admin    TEXT   NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
	base     BIGINT NOT NULL, -- the version it was made from
	mode     TEXT   NOT NULL,
	restores BIGINT NOT NULL, -- the version whose entries these are; 0: none
	changes  BIGINT NOT NULL, -- how many, against base
	updated  BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	content  TEXT   NOT NULL, -- JSON: the entries
	PRIMARY KEY (tenant, admin)
);
CREATE INDEX drafts_admin ON drafts (admin);

CREATE TABLE recovery_codes (
	admin TEXT  NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
	hash  BYTEA NOT NULL,
	PRIMARY KEY (admin, hash)
);

-- Failed tries. A row means nothing once its time has ended.
CREATE TABLE throttle (
	key    BYTEA   PRIMARY KEY,
	count  BIGINT  NOT NULL,
	locked BOOLEAN NOT NULL,
	ends   BIGINT  NOT NULL
);
CREATE INDEX throttle_ends ON throttle (ends);

CREATE TABLE sessions (
	id           TEXT    PRIMARY KEY,
	tenant       TEXT    NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	admin        TEXT    NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
	started      BIGINT  NOT NULL,
	last_seen    BIGINT  NOT NULL,
	expires      BIGINT  NOT NULL,
	address      BYTEA,
	last_address BYTEA,
	user_agent   TEXT    NOT NULL,
	moves        BIGINT  NOT NULL, -- how often last_address became another
	ended        BIGINT  NOT NULL,
	ended_by     TEXT    NOT NULL,
	revoked      BOOLEAN NOT NULL -- ended one by one, so nodes hold its id; an epoch ends the others
);
CREATE INDEX sessions_tenant ON sessions (tenant, started, id);
CREATE INDEX sessions_admin ON sessions (admin);
CREATE INDEX sessions_expires ON sessions (expires);
CREATE INDEX sessions_revoked ON sessions (tenant, expires) WHERE revoked;

-- Tokens for scripts. A removed one keeps its name for the records.
CREATE TABLE api_tokens (
	id           TEXT   PRIMARY KEY,
	tenant       TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	name         TEXT   NOT NULL,
	hash         BYTEA,           -- NULL once it is removed
	scopes       TEXT   NOT NULL, -- JSON
	networks     TEXT   NOT NULL, -- JSON
	created      BIGINT NOT NULL,
	created_by   TEXT   NOT NULL,
	expires      BIGINT NOT NULL,
	last_used    BIGINT NOT NULL,
	last_address BYTEA
);
CREATE UNIQUE INDEX api_tokens_hash ON api_tokens (hash);
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (tenant, name) WHERE hash IS NOT NULL;

CREATE TABLE attempts (
	reference    TEXT   NOT NULL, -- 35 bits of chance: among many, two meet
	tenant       TEXT   NOT NULL, -- outlives the tenant
	host         TEXT   NOT NULL,
	address      BYTEA,
	bits         BIGINT NOT NULL,
	peer         BYTEA,
	hops         TEXT   NOT NULL, -- JSON
	stage        TEXT   NOT NULL,
	outcome      TEXT   NOT NULL,
	reason       TEXT   NOT NULL,
	admin        TEXT   NOT NULL,
	login_hash   TEXT   NOT NULL,
	password     TEXT   NOT NULL, -- 'right': of a try from outside; empty: wrong, or not looked at
	session      TEXT   NOT NULL,
	method       TEXT   NOT NULL,
	path         TEXT   NOT NULL,
	user_agent   TEXT   NOT NULL,
	list_version BIGINT NOT NULL,
	count        BIGINT NOT NULL,
	first_time   BIGINT NOT NULL, -- never changes, so lists are ordered by it
	last_time    BIGINT NOT NULL,
	node         TEXT   NOT NULL,
	boot         TEXT   NOT NULL,
	ends         BIGINT NOT NULL, -- from when it does not grow any more
	pos          BIGINT NOT NULL, -- in the order of leaving the system; 0: it has none yet
	PRIMARY KEY (reference, first_time)
);
CREATE INDEX attempts_ends ON attempts (ends, reference) WHERE pos = 0;
CREATE INDEX attempts_pos ON attempts (pos, tenant) WHERE pos > 0;
-- Wide enough for a month to be summed up without reading the records.
CREATE INDEX attempts_tenant ON attempts (tenant, first_time, reference, last_time, stage, outcome, reason, admin, login_hash, password, address, bits, count);
CREATE INDEX attempts_first_time ON attempts (first_time, reference);
CREATE INDEX attempts_last_time ON attempts (tenant, last_time, reference);
CREATE INDEX attempts_address ON attempts (tenant, address);
CREATE INDEX attempts_boot ON attempts (boot, count);
CREATE INDEX attempts_sign_ins ON attempts (tenant, first_time, stage, outcome, reason, admin, address, bits, count, last_time)
	WHERE stage = 'sign_in' AND outcome IN ('allowed', 'would_block');

CREATE INDEX attempts_password ON attempts (tenant, last_time) WHERE password <> '';

-- What the records of an hour, by their first time, were changed by last: nodes
-- that hold an hour in memory see by it whether they have to read it anew.
CREATE TABLE attempt_hours (
	tenant  TEXT   NOT NULL,
	hour    BIGINT NOT NULL, -- hours since 1970
	mark    TEXT   NOT NULL, -- another with every change
	changed BIGINT NOT NULL, -- when
	pack    BYTEA,           -- the records as one value, of this mark alone; NULL: not packed, empty: too many
	PRIMARY KEY (tenant, hour)
);
CREATE INDEX attempt_hours_unpacked ON attempt_hours (changed) WHERE pack IS NULL;

-- What visitors who were kept out ask for. Spans are µs, 0 is for good.
CREATE TABLE access_requests (
	id              TEXT   PRIMARY KEY,
	tenant          TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	reference       TEXT   NOT NULL,
	address         BYTEA  NOT NULL,
	bits            BIGINT NOT NULL, -- of it that are kept
	login           TEXT   NOT NULL, -- as it was typed
	admin           TEXT   NOT NULL, -- whose login it is; outlives the admin
	why             TEXT   NOT NULL,
	for_us          BIGINT NOT NULL,
	user_agent      TEXT   NOT NULL,
	made            BIGINT NOT NULL,
	browser         BYTEA  NOT NULL, -- keyed hash of the asking browser's secret
	proposed_by     TEXT   NOT NULL,
	proposed_for_us BIGINT NOT NULL,
	proposed        BIGINT NOT NULL,
	note            TEXT   NOT NULL,
	state           TEXT   NOT NULL, -- waiting for a day, then expired without being written
	decided         BIGINT NOT NULL,
	decided_by      TEXT   NOT NULL,
	entry           TEXT   NOT NULL,
	until           BIGINT NOT NULL
);
CREATE INDEX access_requests_tenant ON access_requests (tenant, made, id);

-- What running programs say of themselves, one row for each node. Times are by
-- the clock of the store.
CREATE TABLE nodes (
	name         TEXT   PRIMARY KEY,
	boot         TEXT   NOT NULL,
	version      TEXT   NOT NULL, -- of the program
	started      BIGINT NOT NULL,
	seen         BIGINT NOT NULL,
	pos          BIGINT NOT NULL, -- in the change log
	reached      BIGINT NOT NULL, -- when it got there
	clock_offset BIGINT NOT NULL, -- µs that its clock is ahead
	health       TEXT   NOT NULL  -- JSON
);

CREATE TABLE ledger (
	boot     TEXT    PRIMARY KEY,
	node     TEXT    NOT NULL,
	started  BIGINT  NOT NULL,
	seen     BIGINT  NOT NULL,
	deleted  BIGINT  NOT NULL,
	lost     BIGINT  NOT NULL,
	finished BOOLEAN NOT NULL
);

-- One row: the last position given to an attempt, so that all destinations get
-- them in one order, in which they also become visible.
CREATE TABLE outgoing (
	id    BIGINT PRIMARY KEY,
	pos   BIGINT NOT NULL,
	since BIGINT NOT NULL  -- what was complete before has none; 0: nothing ever left
);
INSERT INTO outgoing (id, pos, since) VALUES (1, 0, 0);

-- Where attempts go on to, and how far.
CREATE TABLE deliveries (
	name      TEXT   PRIMARY KEY,
	kind      TEXT   NOT NULL,
	address   TEXT   NOT NULL,
	tenant    TEXT   NOT NULL, -- id; empty: all
	holder    TEXT   NOT NULL, -- who delivers; empty: nobody
	node      TEXT   NOT NULL,
	beat      BIGINT NOT NULL, -- counts while the holder lives
	since     BIGINT NOT NULL,
	pos       BIGINT NOT NULL, -- of the last attempt that has arrived
	delivered BIGINT NOT NULL,
	dropped   BIGINT NOT NULL, -- deleted before they were delivered
	succeeded BIGINT NOT NULL,
	failing   BIGINT NOT NULL, -- since when; 0: it is not
	trouble   TEXT   NOT NULL,
	seen      BIGINT NOT NULL
);

-- What tenants are alerted about, and how that went last.
CREATE TABLE alert_rules (
	tenant   TEXT   PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
	revision BIGINT NOT NULL,
	rules    TEXT   NOT NULL, -- JSON
	secret   BYTEA,           -- of the webhook, encrypted
	sent     BIGINT NOT NULL,
	trouble  TEXT   NOT NULL,
	failed   BIGINT NOT NULL,
	dropped  BIGINT NOT NULL
);

-- One row: up to where the alerts have looked. Who changes anything below locks
-- it first.
CREATE TABLE alert_position (
	id      BIGINT PRIMARY KEY,
	pos     BIGINT NOT NULL, -- of attempts
	changes BIGINT NOT NULL  -- of the change log; -1: nobody has looked yet
);
INSERT INTO alert_position (id, pos, changes) VALUES (1, 0, -1);

-- What is gathered since a message went out.
CREATE TABLE alert_folds (
	tenant TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	kind   TEXT   NOT NULL,
	opened BIGINT NOT NULL,
	ends   BIGINT NOT NULL,
	quiet  BIGINT NOT NULL, -- µs
	least  BIGINT NOT NULL, -- without so many it does not go on
	count  BIGINT NOT NULL,
	items  TEXT   NOT NULL, -- JSON
	PRIMARY KEY (tenant, kind)
);

-- Messages that have not arrived, one for each who gets it.
CREATE TABLE alert_letters (
	id      TEXT   PRIMARY KEY,
	tenant  TEXT   NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
	email   TEXT   NOT NULL, -- empty: the webhook
	made    BIGINT NOT NULL,
	tries   BIGINT NOT NULL,
	next    BIGINT NOT NULL,
	message TEXT   NOT NULL  -- JSON
);
CREATE INDEX alert_letters_next ON alert_letters (next, id);
CREATE INDEX alert_letters_tenant ON alert_letters (tenant);
