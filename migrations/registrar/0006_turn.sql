-- When the turn of a mail came first. Another attempt has a later time, and of reminders
-- only those to members who have not voted are tried again: whoever is reminded by that
-- time would be told apart by it from those who have voted. So what lies between two
-- reminders is reckoned from this one, and no attempt changes it.
ALTER TABLE registrar.outbox ADD COLUMN turn timestamptz;
UPDATE registrar.outbox SET turn = not_before;
ALTER TABLE registrar.outbox ALTER COLUMN turn SET NOT NULL;

CREATE FUNCTION registrar.first_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.turn := NEW.not_before;
    RETURN NEW;
END;
$$;
CREATE TRIGGER first_turn BEFORE INSERT ON registrar.outbox
    FOR EACH ROW EXECUTE FUNCTION registrar.first_turn();

REVOKE ALL ON FUNCTION registrar.first_turn() FROM PUBLIC;

GRANT UPDATE (turn) ON registrar.outbox TO sv_registrar;
