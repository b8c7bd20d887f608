-- WHO may vote: one election. Applied after board.
--
-- A person is (on_roll, group_id, roll_index), the three fields of a token. A
-- person on the roll, or added to it, is a row of member; a disputed one who is
-- not on it is a row of applicant, with an index of its own count.

CREATE SCHEMA registrar;

-- The one row that every transition updates, and so the one that whoever acts
-- on a phase locks. It is inserted when the draft is made.
CREATE TABLE registrar.election (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    manifest bytea,
    sealing  bytea,
    phase    text    NOT NULL DEFAULT 'draft' CHECK (phase IN
        ('draft', 'sealed', 'open', 'closed', 'locked', 'tallied', 'certified', 'archived', 'cancelled')),
    close_at bigint,
    next_act integer NOT NULL DEFAULT 1 CHECK (next_act >= 1),
    CHECK (phase = 'draft' OR manifest IS NOT NULL AND sealing IS NOT NULL AND close_at IS NOT NULL)
);

CREATE TABLE registrar.member (
    group_id    integer NOT NULL CHECK (group_id BETWEEN 1 AND 65535),
    roll_index  integer NOT NULL CHECK (roll_index >= 0),
    member_no   text    NOT NULL UNIQUE CHECK (member_no <> ''),
    unit        text    NOT NULL DEFAULT '',
    name        text    NOT NULL,
    email       text,
    campus      text    NOT NULL DEFAULT '',
    worksite    text    NOT NULL DEFAULT '',
    title       text    NOT NULL DEFAULT '',
    language    text    NOT NULL DEFAULT '',
    factor_hmac bytea,
    leaf        bytea   UNIQUE CHECK (octet_length(leaf) = 32),
    added       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (group_id, roll_index)
);

-- Who asks for a link again is looked up by address, as often as anybody likes.
CREATE INDEX member_email ON registrar.member (lower(email));

-- Disputed people who are not on the roll. They get a token of kind 2.
CREATE TABLE registrar.applicant (
    group_id   integer NOT NULL CHECK (group_id BETWEEN 1 AND 65535),
    roll_index integer NOT NULL CHECK (roll_index >= 0),
    name       text    NOT NULL,
    email      text,
    campus     text    NOT NULL DEFAULT '',
    worksite   text    NOT NULL DEFAULT '',
    title      text    NOT NULL DEFAULT '',
    language   text    NOT NULL DEFAULT '',
    reason     text    NOT NULL DEFAULT '',
    PRIMARY KEY (group_id, roll_index)
);

-- Tokens that were minted, by hash. A person has one live token: version n + 1
-- is minted only after n was revoked, and two workers that mint at once collide
-- here instead of mailing two links.
CREATE TABLE registrar.token (
    token_id   bytea   PRIMARY KEY CHECK (octet_length(token_id) = 32),
    code_id    bytea   NOT NULL UNIQUE CHECK (octet_length(code_id) = 32),
    jti        bytea   NOT NULL UNIQUE CHECK (octet_length(jti) = 16),
    on_roll    boolean NOT NULL DEFAULT true,
    group_id   integer NOT NULL,
    roll_index integer NOT NULL,
    version    integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    UNIQUE (on_roll, group_id, roll_index, version)
);
CREATE TABLE registrar.token_revoked (
    token_id   bytea PRIMARY KEY REFERENCES registrar.token (token_id),
    revoked_by text  NOT NULL,
    reason     text  NOT NULL DEFAULT ''
);

-- A member is used up once: by an issuance, by a deposit, or by being struck.
-- One key for the three decides every race between them.
CREATE TABLE registrar.used (
    group_id     integer NOT NULL,
    roll_index   integer NOT NULL,
    kind         text    NOT NULL CHECK (kind IN ('issue', 'deposit', 'strike')),
    request_hash bytea   UNIQUE CHECK (octet_length(request_hash) = 32),
    PRIMARY KEY (group_id, roll_index),
    FOREIGN KEY (group_id, roll_index) REFERENCES registrar.member (group_id, roll_index),
    CHECK ((kind = 'strike') = (request_hash IS NULL))
);

-- Envelopes of disputed people, opaque until the committee decides (SPEC 12).
-- One for each person, and no ballot twice. reference is what the ledger shows.
CREATE TABLE registrar.envelope (
    ballot_id  bytea   PRIMARY KEY CHECK (octet_length(ballot_id) = 32),
    on_roll    boolean NOT NULL,
    group_id   integer NOT NULL,
    roll_index integer NOT NULL,
    reference  bytea   NOT NULL UNIQUE CHECK (octet_length(reference) = 32),
    body       bytea   NOT NULL,
    UNIQUE (on_roll, group_id, roll_index)
);

-- Which envelopes a proposed decision rejects, for whoever has to see it: the act
-- says only how many, so that two decisions can have the same bytes. One row for
-- each attempt of the committee at an act, so that two who propose such decisions
-- at once meet at the key and their lists never become one.
CREATE TABLE registrar.rejection (
    sequence integer NOT NULL CHECK (sequence >= 1),
    attempt  integer NOT NULL CHECK (attempt >= 1),
    ballots  bytea[] NOT NULL CHECK (cardinality(ballots) >= 1),
    PRIMARY KEY (sequence, attempt)
);

-- Ledger entries that wait for their batch.
CREATE TABLE registrar.queue (
    entry    bytea   PRIMARY KEY,
    group_id integer NOT NULL
);

-- People whom the committee is about to add: an act names only their leaf, so
-- their data wait here for it. The index is part of
-- the leaf, so they are added in its order.
CREATE TABLE registrar.addition (
    leaf        bytea   PRIMARY KEY CHECK (octet_length(leaf) = 32),
    group_id    integer NOT NULL CHECK (group_id BETWEEN 1 AND 65535),
    roll_index  integer NOT NULL CHECK (roll_index >= 0),
    member_no   text    NOT NULL UNIQUE CHECK (member_no <> ''),
    unit        text    NOT NULL DEFAULT '',
    name        text    NOT NULL,
    email       text,
    campus      text    NOT NULL DEFAULT '',
    worksite    text    NOT NULL DEFAULT '',
    title       text    NOT NULL DEFAULT '',
    language    text    NOT NULL DEFAULT '',
    factor_hmac bytea,
    UNIQUE (group_id, roll_index)
);

CREATE TABLE registrar.act (
    sequence integer PRIMARY KEY CHECK (sequence >= 1),
    body     bytea   NOT NULL
);

-- Wrong answers to the second factor, and resets of their count by the
-- committee: those rows say by whom. The id is random.
CREATE TABLE registrar.factor_failure (
    id         bytea       PRIMARY KEY CHECK (octet_length(id) = 16),
    group_id   integer     NOT NULL,
    roll_index integer     NOT NULL,
    at         timestamptz NOT NULL,
    reset_by   text        NOT NULL DEFAULT ''
);
CREATE INDEX factor_failure_member ON registrar.factor_failure (group_id, roll_index);

-- Mail to be sent: whom it is for, never the token or the address, which are
-- looked up and minted when the mail is rendered.
CREATE TABLE registrar.outbox (
    id          bytea       PRIMARY KEY CHECK (octet_length(id) = 16),
    kind        text        NOT NULL,
    on_roll     boolean     NOT NULL DEFAULT true,
    group_id    integer     NOT NULL,
    roll_index  integer     NOT NULL,
    state       text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'leased', 'sent', 'failed')),
    lease_until timestamptz,
    attempts    integer     NOT NULL DEFAULT 0,
    not_before  timestamptz NOT NULL
);
CREATE INDEX outbox_person ON registrar.outbox (group_id, roll_index);
CREATE INDEX outbox_due ON registrar.outbox (not_before) WHERE state IN ('queued', 'leased');

CREATE FUNCTION registrar.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION registrar.refuse_change() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.token
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.token_revoked
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.used
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.envelope
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.rejection
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.act
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();

-- Until the election is sealed the roll may be imported again. After that
-- nobody leaves it or moves on it, and whoever joins it is marked as added.
-- The lock on the election's row makes a late import wait for the sealing.
CREATE FUNCTION registrar.refuse_after_draft() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    phase_now text;
BEGIN
    SELECT phase INTO phase_now FROM registrar.election FOR SHARE;
    IF phase_now <> 'draft' THEN
        RAISE EXCEPTION 'the roll is sealed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION registrar.refuse_unmarked() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    phase_now text;
BEGIN
    IF EXISTS (SELECT FROM fresh WHERE NOT added) THEN
        SELECT phase INTO phase_now FROM registrar.election FOR SHARE;
        IF phase_now <> 'draft' THEN
            RAISE EXCEPTION 'the roll is sealed' USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
    RETURN NULL;
END $$;
-- A manifest is set once.
CREATE FUNCTION registrar.refuse_resealing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.phase <> 'draft' AND (NEW.phase = 'draft'
        OR NEW.manifest IS DISTINCT FROM OLD.manifest OR NEW.sealing IS DISTINCT FROM OLD.sealing) THEN
        RAISE EXCEPTION 'the election is sealed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION registrar.refuse_after_draft(), registrar.refuse_unmarked(), registrar.refuse_resealing() FROM PUBLIC;

CREATE TRIGGER sealed BEFORE DELETE OR TRUNCATE
    OR UPDATE OF group_id, roll_index, member_no, unit, name, campus, worksite, title, factor_hmac, leaf, added
    ON registrar.member FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_after_draft();
CREATE TRIGGER marked AFTER INSERT ON registrar.member
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_unmarked();
CREATE TRIGGER sealed BEFORE UPDATE ON registrar.election
    FOR EACH ROW EXECUTE FUNCTION registrar.refuse_resealing();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON registrar.election
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();

-- Nobody is issued a ballot by a registrar that may not know who was.
CREATE TRIGGER restored BEFORE INSERT ON registrar.used
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_restored();

GRANT USAGE ON SCHEMA registrar, board, migration TO sv_registrar;
GRANT SELECT ON migration.applied TO sv_registrar;

GRANT SELECT, INSERT, UPDATE (manifest, sealing, phase, close_at, next_act) ON registrar.election TO sv_registrar;
-- DELETE and UPDATE (leaf) work while the roll is a draft, see above. An address
-- may be corrected at any time: it is not part of what is proved.
GRANT SELECT, INSERT, DELETE, UPDATE (email, language, leaf) ON registrar.member TO sv_registrar;
GRANT SELECT, INSERT, UPDATE (email, language) ON registrar.applicant TO sv_registrar;
GRANT SELECT, INSERT ON registrar.token, registrar.token_revoked, registrar.used, registrar.envelope, registrar.rejection,
    registrar.act, registrar.factor_failure TO sv_registrar;
GRANT SELECT, INSERT, DELETE ON registrar.queue, registrar.addition TO sv_registrar;
GRANT SELECT, INSERT, UPDATE (state, lease_until, attempts, not_before) ON registrar.outbox TO sv_registrar;

GRANT SELECT, INSERT ON board.entry, board.node, board.checkpoint, board.cosignature, board.file TO sv_registrar;
GRANT SELECT, INSERT, UPDATE (size, root, chain) ON board.head TO sv_registrar;
GRANT SELECT ON board.restored TO sv_registrar;
