CREATE TABLE keys (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  owner TEXT NOT NULL,
  roles TEXT NOT NULL,           -- JSON list of strings
  scopes TEXT NOT NULL,          -- JSON list of strings
  metadata TEXT NOT NULL,        -- JSON object
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  created_at INTEGER NOT NULL,   -- microseconds since the epoch, as every time here
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER           -- some seconds behind
) STRICT;
CREATE INDEX keys_in_order ON keys (created_at, id);
CREATE INDEX keys_of_owner ON keys (owner, created_at, id);

-- Each row's hash covers the row and the hash before it.
CREATE TABLE audit (
  seq INTEGER NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  before_hash BLOB CHECK (length(before_hash) = 32),
  after_hash BLOB CHECK (length(after_hash) = 32),
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is never changed'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is never cut'); END;

CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;
