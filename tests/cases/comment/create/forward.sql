COMMENT ON COLUMN users.age IS 'In years.';
COMMENT ON SEQUENCE hits IS 'Counted by the front page.';
COMMENT ON INDEX idx_users_age IS 'For the birthday list.';
COMMENT ON TABLE users IS 'A person who can sign in.

It''s "quoted", and has a second paragraph.';
COMMENT ON TYPE public.plan IS 'What they pay.';
