-- What became of mails, as far as who carried them says.

-- A mail that was handed to a sender names it until the sender has certainly not taken
-- it: no other one may send it meanwhile. What became of it is the last that was heard,
-- by rank and not by time; there is no time of any of it, since that of a notice would
-- be the time at which a ballot was issued.
ALTER TABLE registrar.outbox
    ADD COLUMN sender   text CHECK (sender ~ '^[a-z]{1,20}$'),
    ADD COLUMN delivery text CHECK (delivery IN ('processed', 'delayed', 'delivered', 'bounced', 'blocked', 'complained')),
    ADD COLUMN reason   text CHECK (reason ~ '^[a-z]{1,20}$'),
    ADD CHECK (reason IS NULL OR COALESCE(delivery, '') IN ('delayed', 'bounced', 'blocked', 'complained') OR state = 'failed');

-- The sender's own name of each event that was counted, so that one that is told twice
-- counts once.
CREATE TABLE registrar.mail_event (
    id text PRIMARY KEY CHECK (id <> '' AND octet_length(id) <= 100)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrar.mail_event
    FOR EACH STATEMENT EXECUTE FUNCTION registrar.refuse_change();

-- Whether mails wait because somebody said so. No row: they do not.
CREATE TABLE registrar.mail_pause (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    paused boolean NOT NULL
);

-- An address that was corrected, for the one mail that tells its owner so.
ALTER TABLE registrar.member ADD COLUMN former_email text;

GRANT UPDATE (former_email) ON registrar.member TO sv_registrar;
GRANT SELECT, INSERT ON registrar.mail_event TO sv_registrar;
GRANT SELECT, INSERT, UPDATE (paused) ON registrar.mail_pause TO sv_registrar;
GRANT UPDATE (sender, delivery, reason) ON registrar.outbox TO sv_registrar;
