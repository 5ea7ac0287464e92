CREATE SCHEMA blog;
COMMENT ON SCHEMA blog IS 'What the customers read.';
