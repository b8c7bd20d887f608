-- One public log (SPEC 9) and the files beside it. The same schema serves the
-- eligibility ledger in the registrar's cluster and the ballot log in the box's.
-- The role of the service that feeds it is granted its rights in that service's
-- own directory, since each exists in one cluster only.
--
-- Nothing here records a time or an order other than the published one.

REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA board;

-- Entries, in the order that is published.
CREATE TABLE board.entry (
    index bigint PRIMARY KEY CHECK (index >= 0),
    body  bytea  NOT NULL
);

-- Hashes of the tree, by the stored-hash index of golang.org/x/mod/sumdb/tlog.
CREATE TABLE board.node (
    index bigint PRIMARY KEY CHECK (index >= 0),
    hash  bytea  NOT NULL CHECK (octet_length(hash) = 32)
);

-- The state of the log, changed by compare-and-swap only: of two writers that
-- start from one head, one loses. A fork cannot be committed.
CREATE TABLE board.head (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    size  bigint  NOT NULL CHECK (size >= 0),
    root  bytea   NOT NULL CHECK (octet_length(root) = 32),
    chain bytea   NOT NULL CHECK (octet_length(chain) = 32)
);

-- The key makes it impossible to keep two checkpoints of one size.
CREATE TABLE board.checkpoint (
    size bigint PRIMARY KEY CHECK (size >= 0),
    note bytea  NOT NULL
);

CREATE TABLE board.cosignature (
    size    bigint NOT NULL REFERENCES board.checkpoint (size),
    witness text   NOT NULL,
    line    text   NOT NULL,
    PRIMARY KEY (size, witness)
);

-- Files of the record beside the logs, written once.
CREATE TABLE board.file (
    path text  PRIMARY KEY,
    body bytea NOT NULL
);

-- A second line behind the missing grants: what is published does not change,
-- not even by the hand of the owner. A superuser who means to repair something
-- sets session_replication_role.
CREATE FUNCTION board.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION board.refuse_change() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON board.entry
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON board.node
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON board.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON board.cosignature
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON board.file
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();

-- A log only grows.
CREATE FUNCTION board.refuse_shrink() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR NEW.size <= OLD.size THEN
        RAISE EXCEPTION 'the head of a log only grows'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION board.refuse_shrink() FROM PUBLIC;
CREATE TRIGGER grows BEFORE UPDATE OR DELETE ON board.head
    FOR EACH ROW EXECUTE FUNCTION board.refuse_shrink();
CREATE TRIGGER keeps BEFORE TRUNCATE ON board.head
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();

-- One row stands here if the database was restored from a backup after which more
-- may have been acknowledged. Then it is for reading: whatever program or host uses
-- it, nothing is appended and nothing signed. Services refuse by the same row what
-- they would acknowledge.
CREATE TABLE board.restored (
    one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
CREATE FUNCTION board.refuse_restored() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM board.restored) THEN
        RAISE EXCEPTION 'the database was restored for reading only'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'restored';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION board.refuse_restored() FROM PUBLIC;
CREATE TRIGGER restored BEFORE INSERT ON board.entry
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_restored();
CREATE TRIGGER restored BEFORE INSERT ON board.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_restored();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON board.restored
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();

GRANT USAGE ON SCHEMA board, migration TO sv_board;
GRANT SELECT ON migration.applied TO sv_board;
GRANT SELECT ON board.entry, board.node, board.head, board.checkpoint, board.cosignature, board.file, board.restored TO sv_board;
-- Witnesses bring their lines to the board.
GRANT INSERT ON board.cosignature TO sv_board;
