-- The turnout that was shown last. It is kept because the next one depends on it: a
-- number moves only when enough people stand behind the step, also where a process
-- starts anew or several serve one election. What is shown is the body; the cells, of
-- which its numbers are sums, are shown to nobody.
CREATE TABLE registrar.turnout (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    body  bytea   NOT NULL,
    cells bytea   NOT NULL
);
GRANT SELECT, INSERT, UPDATE (body, cells) ON registrar.turnout TO sv_registrar;
