-- Reports "it was not me": somebody says that another used their link, or that a
-- ballot was issued in their name by another.

-- What was written, as it was written. The place is that of the link or code that the
-- report came with; it is null for a report that came without, and for one with a link
-- that nobody was sent. Nothing here is ever a link or a code.
CREATE TABLE registrar.dispute (
    number     integer     PRIMARY KEY CHECK (number >= 1),
    at         timestamptz NOT NULL,
    happened   text        NOT NULL CHECK (happened <> '' AND octet_length(happened) <= 4000),
    phone      text        NOT NULL CHECK (octet_length(phone) <= 100),
    who        text        NOT NULL CHECK (octet_length(who) <= 320),
    on_roll    boolean,
    group_id   integer,
    roll_index integer,
    CHECK ((on_roll IS NULL) = (group_id IS NULL) AND (on_roll IS NULL) = (roll_index IS NULL))
);

-- Every report looks for the same one of the last hour: without this a register that
-- somebody has filled would make each further report dearer.
CREATE INDEX ON registrar.dispute (at);

-- What members of the committee made of it: two different people who say the same
-- decide, and each has one word.
CREATE TABLE registrar.dispute_word (
    number integer     NOT NULL REFERENCES registrar.dispute (number),
    by     text        NOT NULL CHECK (by <> ''),
    upheld boolean     NOT NULL,
    at     timestamptz NOT NULL,
    PRIMARY KEY (number, by)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.dispute
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.dispute_word
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();

GRANT SELECT, INSERT ON registrar.dispute, registrar.dispute_word TO sv_registrar;
