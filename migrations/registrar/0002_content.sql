-- What the union wrote for the public pages of the election: who may vote in its
-- words, its view, documents, contacts. All of it is public and about the vote; no
-- column holds a member. It is beside the ledger because the board reads it there.
--
-- An opinion may be argued about long after the vote, so what was shown is kept: a
-- change is a new edition.

CREATE SCHEMA content;

CREATE TABLE content.edition (
    number integer PRIMARY KEY CHECK (number >= 1),
    body   bytea   NOT NULL
);

-- The files that editions name, by hash: a file that did not change is kept once.
CREATE TABLE content.document (
    sha256 bytea PRIMARY KEY CHECK (sha256 = sha256(body)),
    body   bytea NOT NULL
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON content.edition
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON content.document
    FOR EACH STATEMENT EXECUTE FUNCTION board.refuse_change();

GRANT USAGE ON SCHEMA content TO sv_registrar, sv_board;
GRANT SELECT, INSERT ON content.edition, content.document TO sv_registrar;
GRANT SELECT ON content.edition, content.document TO sv_board;
