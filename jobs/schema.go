package jobs

import "fringe/store"

// Migrations are the room's steps of the schema.
func Migrations() []store.Migration {
	return []store.Migration{{Name: "jobs", SQL: `
		CREATE TABLE jobs (
			id        TEXT PRIMARY KEY,
			function  TEXT NOT NULL,
			version   TEXT NOT NULL,
			digest    TEXT NOT NULL,
			owner     TEXT NOT NULL,
			phase     TEXT NOT NULL CHECK (phase IN ('PENDING','QUEUED','EXECUTING','COMPLETED','ERROR','ABORTED','HELD','SUSPENDED','ARCHIVED')),
			inputs    TEXT NOT NULL,
			outputs   TEXT,
			error     TEXT,
			fence     INTEGER NOT NULL DEFAULT 0,
			submitted INTEGER NOT NULL,
			started   INTEGER,
			ended     INTEGER,
			queue     INTEGER NOT NULL DEFAULT 0,
			start     INTEGER NOT NULL DEFAULT 0,
			run       INTEGER NOT NULL DEFAULT 0,
			usage     TEXT,
			CHECK ((phase IN ('COMPLETED','ERROR','ABORTED','ARCHIVED')) = (ended IS NOT NULL)),
			CHECK (phase <> 'COMPLETED' OR outputs IS NOT NULL),
			CHECK (phase <> 'ERROR' OR error IS NOT NULL)
		) WITHOUT ROWID;
		CREATE INDEX jobs_owner ON jobs(owner, id);
		CREATE INDEX jobs_function ON jobs(function, id);
		CREATE INDEX jobs_phase ON jobs(phase, id);`},
		{Name: "order of acceptance", SQL: `
		ALTER TABLE jobs ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
		UPDATE jobs SET seq = n FROM (SELECT id AS i, row_number() OVER (ORDER BY id) AS n FROM jobs) WHERE id = i;
		CREATE UNIQUE INDEX jobs_seq ON jobs(seq);
		DROP INDEX jobs_owner;
		DROP INDEX jobs_function;
		DROP INDEX jobs_phase;
		CREATE INDEX jobs_owner ON jobs(owner, seq);
		CREATE INDEX jobs_function ON jobs(function, seq);
		CREATE INDEX jobs_phase ON jobs(phase, seq);`},
		{Name: "attempts, events, deliveries and memos", SQL: ledger},
		{Name: "indexes that acceptance does not write", SQL: indexes},
		{Name: "checks and indexes that cost little", SQL: light},
		{Name: "jobs by namespace", SQL: `CREATE INDEX jobs_namespace ON jobs(namespace, phase, seq) WHERE phase <> 'QUEUED' AND namespace <> ''`}}
}

// light writes the rules of the tables as comparisons: SQLite makes a table of
// its own of every list of more than two values, once for each statement that
// the rule is checked for. A derivation, whose place in an index is random,
// is indexed by its beginning, so that the index is small, and those who wait
// for another job are apart from those who wait for their turn.
const light = `
	CREATE TABLE jobs_next (
		seq         INTEGER PRIMARY KEY, -- the order of acceptance
		id          TEXT NOT NULL UNIQUE,
		function    TEXT NOT NULL,
		version     TEXT NOT NULL,
		digest      TEXT NOT NULL,
		environment TEXT NOT NULL DEFAULT '',
		namespace   TEXT NOT NULL DEFAULT '',
		owner       TEXT NOT NULL,
		phase       TEXT NOT NULL,
		priority    INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
		cpu         REAL NOT NULL DEFAULT 0,
		memory      INTEGER NOT NULL DEFAULT 0,
		ready       INTEGER NOT NULL DEFAULT 0, -- not claimed before; the greatest: when another job has come to nothing
		due         INTEGER, -- it ends in ERROR when it is still queued then
		inputs      TEXT NOT NULL,
		staged      TEXT, -- the inputs with paths of this machine, where they differ
		terms       TEXT, -- limits and policy
		derivation  TEXT, -- NULL: its products answer no other call
		outputs     TEXT,
		error       TEXT,
		reused      TEXT, -- the job whose products are the outputs
		fence       INTEGER NOT NULL DEFAULT 0,
		lease       INTEGER,
		spent       INTEGER NOT NULL DEFAULT 0, -- platform failures
		failed      INTEGER NOT NULL DEFAULT 0, -- failures of the function
		submitted   INTEGER NOT NULL,
		queued      INTEGER,
		started     INTEGER,
		ended       INTEGER,
		queue       INTEGER NOT NULL DEFAULT 0,
		start       INTEGER NOT NULL DEFAULT 0,
		run         INTEGER NOT NULL DEFAULT 0,
		usage       TEXT,
		changes     INTEGER NOT NULL DEFAULT 1, -- number of the latest event
		duration    INTEGER NOT NULL DEFAULT 0,
		destruction INTEGER,
		run_id      TEXT,
		labels      TEXT,
		key         TEXT, -- of idempotency
		request     TEXT, -- digest of what was asked under the key
		callback    TEXT,
		CHECK (CASE phase
			WHEN 'QUEUED'    THEN ended IS NULL AND lease IS NULL
			WHEN 'EXECUTING' THEN ended IS NULL AND lease IS NOT NULL
			WHEN 'COMPLETED' THEN ended IS NOT NULL AND lease IS NULL AND outputs IS NOT NULL
			WHEN 'ERROR'     THEN ended IS NOT NULL AND lease IS NULL AND error IS NOT NULL
			WHEN 'ABORTED'   THEN ended IS NOT NULL AND lease IS NULL
			WHEN 'ARCHIVED'  THEN ended IS NOT NULL AND lease IS NULL
			WHEN 'PENDING'   THEN ended IS NULL AND lease IS NULL
			WHEN 'HELD'      THEN ended IS NULL AND lease IS NULL
			WHEN 'SUSPENDED' THEN ended IS NULL AND lease IS NULL
			ELSE 0 END)
	);
	INSERT INTO jobs_next (seq, id, function, version, digest, environment, namespace, owner, phase, priority, cpu, memory, ready, due, inputs, staged,
			terms, derivation, outputs, error, reused, fence, lease, spent, failed, submitted, queued, started, ended, queue, start, run, usage, changes,
			duration, destruction, run_id, labels, key, request, callback)
		SELECT seq, id, function, version, digest, environment, namespace, owner, phase, priority, cpu, memory, ready, due, inputs, staged,
			terms, derivation, outputs, error, reused, fence, lease, spent, failed, submitted, queued, started, ended, queue, start, run, usage, changes,
			duration, destruction, run_id, labels, key, request, callback FROM jobs;
	CREATE TABLE jobs_labels_next (
		name  TEXT NOT NULL,
		value TEXT NOT NULL,
		job   INTEGER NOT NULL REFERENCES jobs_next(seq) ON DELETE CASCADE,
		PRIMARY KEY (name, value, job)
	) WITHOUT ROWID;
	INSERT INTO jobs_labels_next SELECT name, value, job FROM jobs_labels;
	CREATE TABLE jobs_attempts_next (
		job      INTEGER NOT NULL REFERENCES jobs_next(seq) ON DELETE CASCADE,
		fence    INTEGER NOT NULL CHECK (fence > 0),
		started  INTEGER NOT NULL,
		ended    INTEGER,
		cause    TEXT NOT NULL DEFAULT '' CHECK ((cause = '') = (ended IS NULL)),
		error    TEXT,
		usage    TEXT,
		PRIMARY KEY (job, fence)
	) WITHOUT ROWID;
	INSERT INTO jobs_attempts_next SELECT job, fence, started, ended, cause, error, usage FROM jobs_attempts;
	CREATE TABLE jobs_events_next (
		job  INTEGER NOT NULL REFERENCES jobs_next(seq) ON DELETE CASCADE,
		n    INTEGER NOT NULL CHECK (n > 1), -- 1 is the acceptance, which the job's row tells
		at   INTEGER NOT NULL,
		kind TEXT NOT NULL CHECK (kind = 'phase' OR kind = 'progress' OR kind = 'delivery'),
		body TEXT NOT NULL,
		PRIMARY KEY (job, n)
	) WITHOUT ROWID;
	INSERT INTO jobs_events_next SELECT job, n, at, kind, body FROM jobs_events;
	CREATE TABLE jobs_deliveries_next (
		job    INTEGER PRIMARY KEY REFERENCES jobs_next(seq) ON DELETE CASCADE,
		url    TEXT NOT NULL,
		state  TEXT NOT NULL CHECK (state = 'waiting' OR state = 'delivered' OR state = 'failed'),
		tries  INTEGER NOT NULL DEFAULT 0,
		next   INTEGER NOT NULL,
		status INTEGER NOT NULL DEFAULT 0,
		error  TEXT NOT NULL DEFAULT '',
		at     INTEGER NOT NULL
	);
	INSERT INTO jobs_deliveries_next SELECT job, url, state, tries, next, status, error, at FROM jobs_deliveries;
	DROP TABLE jobs_labels;
	DROP TABLE jobs_attempts;
	DROP TABLE jobs_events;
	DROP TABLE jobs_deliveries;
	DROP TABLE jobs;
	ALTER TABLE jobs_next RENAME TO jobs;
	ALTER TABLE jobs_labels_next RENAME TO jobs_labels;
	ALTER TABLE jobs_attempts_next RENAME TO jobs_attempts;
	ALTER TABLE jobs_events_next RENAME TO jobs_events;
	ALTER TABLE jobs_deliveries_next RENAME TO jobs_deliveries;
	CREATE INDEX jobs_phase ON jobs(phase, seq) WHERE phase <> 'QUEUED';
	CREATE INDEX jobs_owner ON jobs(owner, phase, seq) WHERE phase <> 'QUEUED';
	CREATE INDEX jobs_function ON jobs(function, owner, phase, seq) WHERE phase <> 'QUEUED';
	CREATE INDEX jobs_queued ON jobs(owner, seq) WHERE phase = 'QUEUED';
	CREATE INDEX jobs_waiting ON jobs(owner, function, namespace, priority DESC, seq) WHERE phase = 'QUEUED' AND ready < 9223372036854775807;
	CREATE INDEX jobs_followers ON jobs(derivation) WHERE phase = 'QUEUED' AND ready = 9223372036854775807;
	CREATE INDEX jobs_derivation ON jobs(substr(derivation, 1, 12)) WHERE derivation IS NOT NULL AND phase IN ('QUEUED','EXECUTING');
	CREATE INDEX jobs_due ON jobs(due) WHERE due IS NOT NULL AND phase = 'QUEUED';
	CREATE UNIQUE INDEX jobs_key ON jobs(owner, key) WHERE key IS NOT NULL;
	CREATE INDEX jobs_reused ON jobs(reused) WHERE reused IS NOT NULL;
	CREATE INDEX jobs_destruction ON jobs(destruction) WHERE destruction IS NOT NULL AND phase <> 'ARCHIVED';
	CREATE TRIGGER jobs_moves BEFORE UPDATE OF phase ON jobs
		WHEN OLD.phase <> NEW.phase AND NOT CASE OLD.phase
			WHEN 'QUEUED'    THEN NEW.phase = 'EXECUTING' OR NEW.phase = 'COMPLETED' OR NEW.phase = 'ABORTED' OR NEW.phase = 'ERROR' OR NEW.phase = 'HELD'
			WHEN 'EXECUTING' THEN NEW.phase = 'COMPLETED' OR NEW.phase = 'ERROR' OR NEW.phase = 'ABORTED' OR NEW.phase = 'QUEUED' OR NEW.phase = 'SUSPENDED'
			WHEN 'PENDING'   THEN NEW.phase = 'QUEUED' OR NEW.phase = 'HELD' OR NEW.phase = 'ABORTED' OR NEW.phase = 'ERROR'
			WHEN 'SUSPENDED' THEN NEW.phase = 'EXECUTING' OR NEW.phase = 'QUEUED' OR NEW.phase = 'ABORTED' OR NEW.phase = 'ERROR'
			WHEN 'HELD'      THEN NEW.phase = 'QUEUED' OR NEW.phase = 'PENDING' OR NEW.phase = 'ABORTED'
			WHEN 'ARCHIVED'  THEN 0
			ELSE NEW.phase = 'ARCHIVED' END
		BEGIN SELECT RAISE(ABORT, 'a job does not go from one of these phases to the other'); END;
	CREATE INDEX jobs_labels_job ON jobs_labels(job);
	CREATE INDEX jobs_deliveries_due ON jobs_deliveries(next) WHERE state = 'waiting';`

// indexes leaves queued jobs, which are few or soon gone, to the index of what
// waits: an acceptance writes that one and the id's.
const indexes = `
	DROP INDEX jobs_phase;
	DROP INDEX jobs_owner;
	DROP INDEX jobs_function;
	DROP INDEX jobs_waiting;
	CREATE INDEX jobs_phase ON jobs(phase, seq) WHERE phase <> 'QUEUED';
	CREATE INDEX jobs_owner ON jobs(owner, phase, seq) WHERE phase <> 'QUEUED';
	CREATE INDEX jobs_function ON jobs(function, owner, phase, seq) WHERE phase <> 'QUEUED';
	CREATE INDEX jobs_waiting ON jobs(owner, function, namespace, priority DESC, seq) WHERE phase = 'QUEUED';`

const ledger = `
	CREATE TABLE jobs_next (
		seq         INTEGER PRIMARY KEY, -- the order of acceptance
		id          TEXT NOT NULL UNIQUE,
		function    TEXT NOT NULL,
		version     TEXT NOT NULL,
		digest      TEXT NOT NULL,
		environment TEXT NOT NULL DEFAULT '',
		namespace   TEXT NOT NULL DEFAULT '',
		owner       TEXT NOT NULL,
		phase       TEXT NOT NULL CHECK (phase IN ('PENDING','QUEUED','EXECUTING','COMPLETED','ERROR','ABORTED','HELD','SUSPENDED','ARCHIVED')),
		priority    INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
		cpu         REAL NOT NULL DEFAULT 0,
		memory      INTEGER NOT NULL DEFAULT 0,
		ready       INTEGER NOT NULL DEFAULT 0, -- not claimed before
		due         INTEGER, -- it ends in ERROR when it is still queued then
		inputs      TEXT NOT NULL,
		staged      TEXT, -- the inputs with paths of this machine, where they differ
		terms       TEXT, -- limits and policy
		derivation  TEXT, -- NULL: its products answer no other call
		outputs     TEXT,
		error       TEXT,
		reused      TEXT, -- the job whose products are the outputs
		fence       INTEGER NOT NULL DEFAULT 0,
		lease       INTEGER,
		spent       INTEGER NOT NULL DEFAULT 0, -- platform failures
		failed      INTEGER NOT NULL DEFAULT 0, -- failures of the function
		submitted   INTEGER NOT NULL,
		queued      INTEGER,
		started     INTEGER,
		ended       INTEGER,
		queue       INTEGER NOT NULL DEFAULT 0,
		start       INTEGER NOT NULL DEFAULT 0,
		run         INTEGER NOT NULL DEFAULT 0,
		usage       TEXT,
		changes     INTEGER NOT NULL DEFAULT 1, -- number of the latest event
		duration    INTEGER NOT NULL DEFAULT 0,
		destruction INTEGER,
		run_id      TEXT,
		labels      TEXT,
		key         TEXT, -- of idempotency
		request     TEXT, -- digest of what was asked under the key
		callback    TEXT,
		CHECK ((phase IN ('COMPLETED','ERROR','ABORTED','ARCHIVED')) = (ended IS NOT NULL)),
		CHECK ((phase = 'EXECUTING') = (lease IS NOT NULL)),
		CHECK (phase <> 'COMPLETED' OR outputs IS NOT NULL),
		CHECK (phase <> 'ERROR' OR error IS NOT NULL)
	);
	INSERT INTO jobs_next (seq, id, function, version, digest, owner, phase, inputs, outputs, error, fence, lease, submitted, queued, started, ended, queue, start, run, usage)
		SELECT seq, id, function, version, digest, owner, phase, inputs, outputs, error, fence, CASE phase WHEN 'EXECUTING' THEN 0 END,
			submitted, submitted, started, ended, queue, start, run, usage FROM jobs;
	DROP TABLE jobs;
	ALTER TABLE jobs_next RENAME TO jobs;
	CREATE INDEX jobs_phase ON jobs(phase, seq);
	CREATE INDEX jobs_owner ON jobs(owner, phase, seq);
	CREATE INDEX jobs_function ON jobs(function, owner, phase, seq);
	CREATE INDEX jobs_waiting ON jobs(namespace, owner, function, priority DESC, seq) WHERE phase = 'QUEUED';
	CREATE INDEX jobs_derivation ON jobs(derivation, seq) WHERE derivation IS NOT NULL AND phase IN ('QUEUED','EXECUTING');
	CREATE INDEX jobs_due ON jobs(due) WHERE due IS NOT NULL AND phase = 'QUEUED';
	CREATE UNIQUE INDEX jobs_key ON jobs(owner, key) WHERE key IS NOT NULL;
	CREATE INDEX jobs_reused ON jobs(reused) WHERE reused IS NOT NULL;
	CREATE INDEX jobs_destruction ON jobs(destruction) WHERE destruction IS NOT NULL AND phase <> 'ARCHIVED';
	CREATE TRIGGER jobs_moves BEFORE UPDATE OF phase ON jobs
		WHEN OLD.phase <> NEW.phase AND OLD.phase || ' ' || NEW.phase NOT IN (
			'PENDING QUEUED', 'PENDING HELD', 'PENDING ABORTED', 'PENDING ERROR',
			'QUEUED EXECUTING', 'QUEUED COMPLETED', 'QUEUED HELD', 'QUEUED ABORTED', 'QUEUED ERROR',
			'EXECUTING COMPLETED', 'EXECUTING ERROR', 'EXECUTING ABORTED', 'EXECUTING SUSPENDED', 'EXECUTING QUEUED',
			'SUSPENDED EXECUTING', 'SUSPENDED QUEUED', 'SUSPENDED ABORTED', 'SUSPENDED ERROR',
			'HELD QUEUED', 'HELD PENDING', 'HELD ABORTED',
			'COMPLETED ARCHIVED', 'ERROR ARCHIVED', 'ABORTED ARCHIVED')
		BEGIN SELECT RAISE(ABORT, 'a job does not go from one of these phases to the other'); END;
	CREATE TABLE jobs_labels (
		name  TEXT NOT NULL,
		value TEXT NOT NULL,
		job   INTEGER NOT NULL REFERENCES jobs(seq) ON DELETE CASCADE,
		PRIMARY KEY (name, value, job)
	) WITHOUT ROWID;
	CREATE INDEX jobs_labels_job ON jobs_labels(job);
	CREATE TABLE jobs_attempts (
		job      INTEGER NOT NULL REFERENCES jobs(seq) ON DELETE CASCADE,
		fence    INTEGER NOT NULL CHECK (fence > 0),
		started  INTEGER NOT NULL,
		ended    INTEGER,
		cause    TEXT NOT NULL DEFAULT '' CHECK ((cause = '') = (ended IS NULL)),
		error    TEXT,
		usage    TEXT,
		PRIMARY KEY (job, fence)
	) WITHOUT ROWID;
	CREATE TABLE jobs_events (
		job  INTEGER NOT NULL REFERENCES jobs(seq) ON DELETE CASCADE,
		n    INTEGER NOT NULL CHECK (n > 1), -- 1 is the acceptance, which the job's row tells
		at   INTEGER NOT NULL,
		kind TEXT NOT NULL CHECK (kind IN ('phase','progress','delivery')),
		body TEXT NOT NULL,
		PRIMARY KEY (job, n)
	) WITHOUT ROWID;
	CREATE TABLE jobs_deliveries (
		job    INTEGER PRIMARY KEY REFERENCES jobs(seq) ON DELETE CASCADE,
		url    TEXT NOT NULL,
		state  TEXT NOT NULL CHECK (state IN ('waiting','delivered','failed')),
		tries  INTEGER NOT NULL DEFAULT 0,
		next   INTEGER NOT NULL,
		status INTEGER NOT NULL DEFAULT 0,
		error  TEXT NOT NULL DEFAULT '',
		at     INTEGER NOT NULL
	);
	CREATE INDEX jobs_deliveries_due ON jobs_deliveries(next) WHERE state = 'waiting';
	CREATE TABLE jobs_memos (
		derivation TEXT PRIMARY KEY,
		job        TEXT NOT NULL, -- that made the products
		outputs    TEXT NOT NULL,
		made       INTEGER NOT NULL
	) WITHOUT ROWID;`
