-- The deployment's list of elections, and what tellers and committee members
-- hand in for each.

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA committee;

CREATE TABLE committee.election (
    election_id bytea       PRIMARY KEY CHECK (octet_length(election_id) = 16),
    title       text        NOT NULL,
    demo        boolean     NOT NULL DEFAULT false,
    state       text        NOT NULL DEFAULT 'draft',
    draft       bytea,
    created     bytea,      -- the draft as it was created; groups are pooled from its at each import
    created_at  timestamptz NOT NULL
);

-- The hash is of the key that the teller read out when enrolling.
CREATE TABLE committee.teller (
    election_id     bytea   NOT NULL REFERENCES committee.election (election_id),
    number          integer NOT NULL CHECK (number BETWEEN 1 AND 32),
    name            text    NOT NULL,
    enrollment_hash bytea   NOT NULL CHECK (octet_length(enrollment_hash) = 32),
    PRIMARY KEY (election_id, number)
);

-- What was handed in, by session of the ceremony: what a teller sent in a round
-- (number is the teller's), what the committee is asked to sign (number counts
-- the corrections), signatures (number is the member's). Written once: who wants
-- to say something else needs a new session or a new number, and everybody sees
-- it.
CREATE TABLE committee.message (
    election_id bytea   NOT NULL REFERENCES committee.election (election_id),
    session     integer NOT NULL CHECK (session >= 1),
    round       text    NOT NULL,
    number      integer NOT NULL CHECK (number BETWEEN 0 AND 32),
    body        bytea   NOT NULL,
    PRIMARY KEY (election_id, session, round, number)
);

-- What members sign one by one, beside those papers: acts (number is the act's
-- sequence) and lists of slips to print. Of several proposals for one number, the
-- attempts, at most one has no end. Two proposals at once for one place meet at
-- the key.
CREATE TABLE committee.proposal (
    election_id bytea       NOT NULL REFERENCES committee.election (election_id),
    what        text        NOT NULL CHECK (what IN ('act', 'slips')),
    number      integer     NOT NULL CHECK (number BETWEEN 1 AND 9999),
    attempt     integer     NOT NULL CHECK (attempt >= 1),
    kind        smallint    NOT NULL CHECK (kind BETWEEN 0 AND 7),
    body        bytea       NOT NULL CHECK (octet_length(body) <= 65000),
    proposed_by text        NOT NULL,
    proposed_at timestamptz NOT NULL,
    PRIMARY KEY (election_id, what, number, attempt)
);

-- One for each member: two keys of one person are still one person. What is
-- handed on are the first of them, by place, so that two programs that hand it
-- on at once hand on the same bytes.
CREATE TABLE committee.proposal_signature (
    election_id bytea    NOT NULL,
    what        text     NOT NULL,
    number      integer  NOT NULL,
    attempt     integer  NOT NULL,
    member      smallint NOT NULL CHECK (member BETWEEN 0 AND 14),
    place       smallint NOT NULL CHECK (place BETWEEN 1 AND 15),
    key         smallint NOT NULL CHECK (key BETWEEN 0 AND 3),
    signature   bytea    NOT NULL,
    PRIMARY KEY (election_id, what, number, attempt, member),
    UNIQUE (election_id, what, number, attempt, place),
    FOREIGN KEY (election_id, what, number, attempt) REFERENCES committee.proposal
);

-- How a proposal ended, once.
CREATE TABLE committee.proposal_end (
    election_id bytea       NOT NULL,
    what        text        NOT NULL,
    number      integer     NOT NULL,
    attempt     integer     NOT NULL,
    state       text        NOT NULL CHECK (state IN ('applied', 'refused', 'withdrawn')),
    reason      text        NOT NULL,
    PRIMARY KEY (election_id, what, number, attempt),
    FOREIGN KEY (election_id, what, number, attempt) REFERENCES committee.proposal
);

-- Who did what, in order. Nothing in it names a member of the roll.
CREATE TABLE committee.log (
    number      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    election_id bytea       NOT NULL REFERENCES committee.election (election_id),
    at          timestamptz NOT NULL,
    who         text        NOT NULL,
    what        text        NOT NULL,
    detail      text        NOT NULL
);
CREATE INDEX ON committee.log (election_id, number);

-- When a part of the service did not answer, in seconds since 1970.
CREATE TABLE committee.outage (
    election_id bytea  NOT NULL REFERENCES committee.election (election_id),
    part        text   NOT NULL CHECK (part IN ('booth', 'registrar', 'box', 'board', 'console', 'mail')),
    from_at     bigint NOT NULL CHECK (from_at > 0),
    to_at       bigint NOT NULL CHECK (to_at > from_at),
    PRIMARY KEY (election_id, part, from_at, to_at)
);

CREATE FUNCTION committee.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION committee.refuse_change() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON committee.teller
    FOR EACH STATEMENT EXECUTE FUNCTION committee.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON committee.message
    FOR EACH STATEMENT EXECUTE FUNCTION committee.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON committee.proposal
    FOR EACH STATEMENT EXECUTE FUNCTION committee.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON committee.proposal_signature
    FOR EACH STATEMENT EXECUTE FUNCTION committee.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON committee.proposal_end
    FOR EACH STATEMENT EXECUTE FUNCTION committee.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON committee.log
    FOR EACH STATEMENT EXECUTE FUNCTION committee.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON committee.outage
    FOR EACH STATEMENT EXECUTE FUNCTION committee.refuse_change();

GRANT USAGE ON SCHEMA committee, migration TO sv_committee;
GRANT SELECT ON migration.applied TO sv_committee;
GRANT SELECT, INSERT, UPDATE (title, state, draft) ON committee.election TO sv_committee;
GRANT SELECT, INSERT ON committee.teller, committee.message, committee.proposal, committee.proposal_signature,
    committee.proposal_end, committee.log, committee.outage TO sv_committee;
