-- All that is kept, whatever it means. What it means is written in the program, once for every store.
CREATE TABLE records (
  place INTEGER NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,      -- the number of the commit that wrote it
  body BLOB NOT NULL,            -- JSON
  tags TEXT NOT NULL,            -- JSON list of strings
  created_at INTEGER NOT NULL,   -- microseconds since the epoch, as every time here
  expires_at INTEGER,            -- from then on it is not there any more
  UNIQUE (kind, id)
) STRICT;
CREATE INDEX records_in_order ON records (kind, created_at, id);
CREATE INDEX records_that_end ON records (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE tags (
  kind TEXT NOT NULL,
  tag TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  id TEXT NOT NULL,
  place INTEGER NOT NULL REFERENCES records (place) ON DELETE CASCADE,
  PRIMARY KEY (kind, tag, created_at, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_of_record ON tags (place);

-- One row. The head of the audit log tells when rows were cut off its end.
CREATE TABLE state (
  only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
  commits INTEGER NOT NULL,
  audit_seq INTEGER NOT NULL,
  audit_hash BLOB NOT NULL CHECK (length(audit_hash) = 32)
) STRICT;
