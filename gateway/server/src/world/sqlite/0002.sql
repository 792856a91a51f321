-- Tokens that were taken back before their time, by `jti` or by `sub`.
CREATE TABLE revocations (
  id TEXT NOT NULL PRIMARY KEY,
  issuer TEXT NOT NULL,          -- the alias
  jti TEXT,
  sub TEXT,
  before INTEGER,                -- of `sub`: tokens issued earlier
  reason TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,            -- NULL: never forgotten
  CHECK ((jti IS NULL) <> (sub IS NULL) AND (sub IS NULL) = (before IS NULL))
) STRICT;
CREATE INDEX revocations_in_order ON revocations (created_at, id);
