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

GRANT USAGE ON SCHEMA committee, migration TO sv_committee;
GRANT SELECT ON migration.applied TO sv_committee;
GRANT SELECT, INSERT, UPDATE (title, state, draft) ON committee.election TO sv_committee;
GRANT SELECT, INSERT ON committee.teller, committee.message TO sv_committee;
