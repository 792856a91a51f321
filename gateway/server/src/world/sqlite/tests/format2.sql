-- A store as format 2 kept it.
INSERT INTO keys VALUES
  ('k1', 'ci', 'ops', '["readers"]', '[]', '{"b":[1,null],"a":"ü"}', X'abababababababababababababababababababababababababababababababab', 1000000, 90000000, NULL, 9000000),
  ('k2', 'ci', 'ops', '[]', '["s"]', '{}', X'abababababababababababababababababababababababababababababababab', 2000000, NULL, 5000000, NULL),
  ('k3', 'ci', 'dev', '[]', '[]', '{}', X'abababababababababababababababababababababababababababababababab', 3000000, NULL, NULL, NULL);
INSERT INTO revocations VALUES
  ('r1', 'demo', 't1', NULL, NULL, 'lost', 1000000, NULL),
  ('r2', 'demo', NULL, 'rita', 7000000, '', 2000000, 99000000000000000);
INSERT INTO meta VALUES ('admin_key_hash', X'cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd');
INSERT INTO audit VALUES
  (1, 1000000, 'alice', 'key.create', 'k1', NULL, X'1111111111111111111111111111111111111111111111111111111111111111', zeroblob(32),
   X'aeb9f1797f334f942d1a25894022d5fc134211248d540ab35c9df7e930dba9ed');
PRAGMA application_id = 1886675820;
PRAGMA user_version = 2;
