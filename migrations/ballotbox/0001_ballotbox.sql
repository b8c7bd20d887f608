-- WHAT was voted: one election. Applied after board.
--
-- No column here holds a time, a sequence of arrival, an address or an identity,
-- and none is ever added: a test compares the catalogue with a fixed list. The
-- close in force is not stored; it follows from the manifest and the acts.

CREATE SCHEMA ballotbox;

-- The one row that every transition updates, and so the one that whoever acts
-- on a phase locks.
CREATE TABLE ballotbox.election (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    manifest bytea   NOT NULL,
    sealing  bytea   NOT NULL,
    phase    text    NOT NULL DEFAULT 'sealed' CHECK (phase IN
        ('sealed', 'open', 'closed', 'locked', 'tallied', 'certified', 'archived', 'cancelled')),
    -- Says whether a host has the pending key of this election and no other;
    -- nothing can be computed from it. Set once, at the first start.
    key_check bytea CHECK (octet_length(key_check) = 32)
);

-- Acts of the committee, by the sequence written in each.
CREATE TABLE ballotbox.act (
    sequence integer PRIMARY KEY CHECK (sequence >= 1),
    body     bytea   NOT NULL
);

-- Every ballot that ever came, under a keyed hash of its id; the key is destroyed
-- at lock (SPEC 8). The primary key is what makes a ballot come once. Rows stay:
-- one that went with its ballot would say in which batch the ballot left.
CREATE TABLE ballotbox.received (
    key bytea PRIMARY KEY CHECK (octet_length(key) = 32)
);

-- Ballots that wait for their batch, each under a random number and encrypted
-- under a key that is destroyed at lock. Before a batch all rows of its group are
-- deleted and written anew, under other numbers, those marked that leave with it: so
-- what a disk, a backup or the write-ahead log keeps of this table says when ballots
-- came, and neither which they were nor in which batch each of them left.
CREATE TABLE ballotbox.pending (
    key      bytea   PRIMARY KEY CHECK (octet_length(key) = 32),
    sealed   bytea   NOT NULL,
    group_id integer NOT NULL,
    leaving  boolean NOT NULL DEFAULT false
);

-- Where a ballot is in the published log. The key is what makes a ballot count
-- once.
CREATE TABLE ballotbox.cast_index (
    ballot_id bytea  PRIMARY KEY CHECK (octet_length(ballot_id) = 32),
    index     bigint NOT NULL UNIQUE
);

CREATE FUNCTION ballotbox.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION ballotbox.refuse_change() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ballotbox.act
    FOR EACH STATEMENT EXECUTE FUNCTION ballotbox.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ballotbox.received
    FOR EACH STATEMENT EXECUTE FUNCTION ballotbox.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ballotbox.cast_index
    FOR EACH STATEMENT EXECUTE FUNCTION ballotbox.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE OR UPDATE OF one, manifest, sealing ON ballotbox.election
    FOR EACH STATEMENT EXECUTE FUNCTION ballotbox.refuse_change();

CREATE TRIGGER set_once BEFORE UPDATE OF key_check ON ballotbox.election
    FOR EACH ROW WHEN (OLD.key_check IS NOT NULL) EXECUTE FUNCTION ballotbox.refuse_change();

-- No ballot is acknowledged by a box that may lack others.
CREATE TRIGGER restored BEFORE INSERT ON ballotbox.received
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_restored();
CREATE TRIGGER restored BEFORE INSERT ON ballotbox.pending
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_restored();

GRANT USAGE ON SCHEMA ballotbox, board, migration TO sv_ballotbox;
GRANT SELECT ON migration.applied TO sv_ballotbox;

GRANT SELECT, INSERT, UPDATE (phase, key_check) ON ballotbox.election TO sv_ballotbox;
GRANT SELECT, INSERT ON ballotbox.act, ballotbox.received, ballotbox.cast_index TO sv_ballotbox;
GRANT SELECT, INSERT, DELETE ON ballotbox.pending TO sv_ballotbox;

GRANT SELECT, INSERT ON board.entry, board.node, board.checkpoint, board.cosignature, board.file TO sv_ballotbox;
GRANT SELECT, INSERT, UPDATE (size, root, chain) ON board.head TO sv_ballotbox;
GRANT SELECT ON board.restored TO sv_ballotbox;
